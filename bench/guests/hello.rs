// Reads standard input and makes 20 small strings, as handlers do; with `--cfg grow` also one of 100 KB.
use std::io::{Read, Write};

fn main() {
    let mut body = String::new();
    std::io::stdin().read_to_string(&mut body).unwrap();
    #[cfg(grow)]
    let large = vec![7u8; 100_000];
    let words: Vec<String> = (0..20).map(|i| format!("word {} of {}", i, body.len())).collect();
    let mut out = std::io::stdout();
    write!(out, "content-type: text/plain\n\n{}\n", words.join(", ")).unwrap();
    #[cfg(grow)]
    assert_eq!(unsafe { std::ptr::read_volatile(&large[99_999]) }, 7);
}
