//! Counts its calls, tells a queue, and asks another server, as the environment says.
use trisiel::{env, http, kv, log, publish, Error, Resource};

fn main() -> Result<(), Error> {
    let calls = match kv::get("counter", "calls")? {
        Some(value) => u32::from_le_bytes(value.try_into().map_err(|_| Error::InvalidArgument)?) + 1,
        None => 1,
    };
    kv::put("counter", "calls", &calls.to_le_bytes())?;
    publish("seen", b"a call")?;
    let mut text = format!("Content-Type: text/plain\n\ncall {calls}");
    if let Some(path) = env("PATH_INFO") {
        text += &format!(" at {path}");
    }
    text += "\n";
    if let Some(url) = env("UPSTREAM") {
        let answer = http::request("POST", &url, &[("Content-Type", "text/plain")], b"ping")?;
        text += &format!("upstream {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Resource::stdout()?.write_all(text.as_bytes())?;
    log::info("answered");
    Ok(())
}
