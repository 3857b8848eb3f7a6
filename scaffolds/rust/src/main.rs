//! The request is in the environment and on standard input; the answer is what is printed: fields, an empty line, a body.
use std::env;

fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_string())
}

fn main() {
    println!("Content-Type: text/plain\n");
    println!("{} from Rust at {}", variable("GREETING", "Hello"), variable("PATH_INFO", "/"));
    eprintln!("answered a {}", variable("REQUEST_METHOD", "request"));
}
