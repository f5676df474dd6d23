//! The app of dhow's README: greets whoever runs its image.

use std::env;

fn main() {
    let name = env::args().nth(1).or_else(|| env::var("NAME").ok()).unwrap_or_else(|| "world".to_owned());
    println!("Hello, {name}!");
    println!("I was built by dhow, and I need no C library, no shell, and no container engine.");
}
