"""Steps whose body is a program: in an image of the author's choice, or on the machine itself."""
