"""What is read afterwards: a student's feedback, the class report, what is alike."""
