// Counts its calls, tells a queue, and asks another server, as the environment says.
import { Resource, env, kvGet, kvPut, log, publish, request } from "./trisiel";

export function cwa_main(): i32 {
  const kept = kvGet("counter", "calls");
  const calls = (kept === null ? 0 : load<u32>(changetype<usize>(kept))) + 1;
  const value = new ArrayBuffer(4);
  store<u32>(changetype<usize>(value), calls);
  if (kvPut("counter", "calls", value) != 0) return 1;
  if (publish("seen", String.UTF8.encode("a call")) != 0) return 2;
  let text = "Content-Type: text/plain\n\ncall " + calls.toString();
  const path = env("PATH_INFO");
  if (path !== null) text += " at " + path;
  text += "\n";
  const url = env("UPSTREAM");
  if (url !== null) {
    const answer = request("POST", url, "Content-Type: text/plain\r\n", "ping");
    if (answer === null) return 3;
    text += "upstream " + answer.status.toString() + " " + answer.body;
  }
  Resource.stdout().print(text);
  log("answered");
  return 0;
}
