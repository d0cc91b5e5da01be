"""The graded course: an nbgrader assignment whose grades are decided outside the students' processes."""
