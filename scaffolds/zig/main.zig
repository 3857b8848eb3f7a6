// The request is in the environment and on standard input; the answer is what is printed: fields, an empty line, a body.
const std = @import("std");

extern "c" fn getenv(name: [*:0]const u8) ?[*:0]const u8;
extern "c" fn printf(format: [*:0]const u8, ...) c_int;

fn variable(name: [*:0]const u8, otherwise: [*:0]const u8) [*:0]const u8 {
    return getenv(name) orelse otherwise;
}

pub fn main() void {
    _ = printf("Content-Type: text/plain\n\n");
    _ = printf("%s from Zig at %s\n", variable("GREETING", "Hello"), variable("PATH_INFO", "/"));
    std.debug.print("answered a {s}\n", .{variable("REQUEST_METHOD", "request")});
}
