//! The one executable: the name it is called by picks the program.

fn main() {}
