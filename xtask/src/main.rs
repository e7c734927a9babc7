//! Build, test, bench and fuzz tasks.
fn main() {}
