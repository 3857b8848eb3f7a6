//! CommonWA and the resources of Trisiel. Everything outside of a function is opened by URL, then read, written,
//! flushed and closed; see the book, docs/schemes.md. Works on `wasm32-wasip1` (`wasm32-wasi` before Rust 1.78), beside WASI.

use std::io;

/// The system calls, as the book describes them (docs/abi/cwa.md).
pub mod sys {
    #[link(wasm_import_module = "cwa")]
    extern "C" {
        pub fn log_write(level: i32, text: *const u8, length: usize);
        pub fn env_get(key: *const u8, key_length: usize, value: *mut u8, value_length: usize) -> i32;
        pub fn runtime_spec_major() -> i32;
        pub fn runtime_spec_minor() -> i32;
        pub fn runtime_name(name: *mut u8, length: usize) -> i32;
        pub fn runtime_msleep(ms: i32);
        pub fn runtime_exit(status: i32) -> !;
        pub fn startup_arg_len() -> i32;
        pub fn startup_arg_at(number: i32, argument: *mut u8, length: usize) -> i32;
        pub fn resource_open(url: *const u8, length: usize) -> i32;
        pub fn resource_read(fd: i32, data: *mut u8, length: usize) -> i32;
        pub fn resource_write(fd: i32, data: *const u8, length: usize) -> i32;
        pub fn resource_close(fd: i32) -> i32;
        pub fn resource_flush(fd: i32) -> i32;
        pub fn time_now() -> i64;
        pub fn io_get_stdin() -> i32;
        pub fn io_get_stdout() -> i32;
        pub fn io_get_stderr() -> i32;
        pub fn random_i32() -> i32;
        pub fn random_i64() -> i64;
    }
}

/// An error of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Whatever has no number of its own; a resource that takes no bytes.
    Unknown,
    /// A URL that is none, a descriptor that is not open, an answer that cannot be read.
    InvalidArgument,
    /// Refused by the platform, such as a value for which the quota has no room.
    PermissionDenied,
    NotFound,
    EndOfFile,
}

impl std::fmt::Display for Error {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        to.write_str(match self {
            Error::Unknown => "unknown error",
            Error::InvalidArgument => "invalid argument",
            Error::PermissionDenied => "permission denied",
            Error::NotFound => "not found",
            Error::EndOfFile => "end of file",
        })
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error {
            Error::Unknown => io::ErrorKind::Other,
            Error::InvalidArgument => io::ErrorKind::InvalidInput,
            Error::PermissionDenied => io::ErrorKind::PermissionDenied,
            Error::NotFound => io::ErrorKind::NotFound,
            Error::EndOfFile => io::ErrorKind::UnexpectedEof,
        };
        io::Error::new(kind, error)
    }
}

/// Turns the result of a call into a number, or its error.
fn check(result: i32) -> Result<usize, Error> {
    match result {
        0.. => Ok(result as usize),
        -2 => Err(Error::InvalidArgument),
        -3 => Err(Error::PermissionDenied),
        -4 => Err(Error::NotFound),
        -5 => Err(Error::EndOfFile),
        _ => Err(Error::Unknown),
    }
}

/// Something that was opened by URL. Dropping it closes it, which commits what was written.
#[derive(Debug)]
pub struct Resource(i32);

impl Resource {
    pub fn open(url: &str) -> Result<Resource, Error> {
        Ok(Resource(check(unsafe { sys::resource_open(url.as_ptr(), url.len()) })? as i32))
    }

    /// The body of the request.
    pub fn stdin() -> Result<Resource, Error> {
        Ok(Resource(check(unsafe { sys::io_get_stdin() })? as i32))
    }

    /// The answer.
    pub fn stdout() -> Result<Resource, Error> {
        Ok(Resource(check(unsafe { sys::io_get_stdout() })? as i32))
    }

    /// Reads some bytes, waiting for the first one. 0: the end.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        match check(unsafe { sys::resource_read(self.0, into.as_mut_ptr(), into.len()) }) {
            Err(Error::EndOfFile) => Ok(0),
            result => result,
        }
    }

    /// Reads to the end.
    pub fn read_all(&mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let length = self.read(&mut chunk)?;
            if length == 0 {
                return Ok(all);
            }
            all.extend_from_slice(&chunk[..length]);
        }
    }

    /// Writes all bytes.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let written = check(unsafe { sys::resource_write(self.0, bytes.as_ptr(), bytes.len()) })?;
            if written == 0 {
                return Err(Error::Unknown);
            }
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Commits or sends what was written, and waits until that is done.
    pub fn flush(&mut self) -> Result<(), Error> {
        check(unsafe { sys::resource_flush(self.0) }).map(|_| ())
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        unsafe { sys::resource_close(self.0) };
    }
}

impl io::Read for Resource {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(Resource::read(self, into)?)
    }
}

impl io::Write for Resource {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Resource::write_all(self, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(Resource::flush(self)?)
    }
}

/// Lines of the log, by level.
pub mod log {
    pub fn error(text: &str) {
        write(1, text);
    }

    pub fn warning(text: &str) {
        write(3, text);
    }

    pub fn info(text: &str) {
        write(6, text);
    }

    fn write(level: i32, text: &str) {
        unsafe { super::sys::log_write(level, text.as_ptr(), text.len()) }
    }
}

/// The variable `key`; None without one, or where it is not UTF-8.
pub fn env(key: &str) -> Option<String> {
    let read = |value: &mut [u8]| unsafe { sys::env_get(key.as_ptr(), key.len(), value.as_mut_ptr(), value.len()) };
    let mut value = vec![0; check(read(&mut [])).ok()?];
    check(read(&mut value)).ok()?;
    String::from_utf8(value).ok()
}

/// The time, in whole Unix seconds.
pub fn now() -> i64 {
    unsafe { sys::time_now() }
}

/// Suspends the guest. The deadline of the call ends a longer sleep.
pub fn sleep_ms(ms: i32) {
    unsafe { sys::runtime_msleep(ms) }
}

/// The handler's durable values.
pub mod kv {
    use super::{Error, Resource};

    /// The value; None without one.
    pub fn get(bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        match Resource::open(&format!("kv://{bucket}/{key}"))?.read_all() {
            Err(Error::NotFound) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Replaces the value as a whole; it is durable when this returns.
    pub fn put(bucket: &str, key: &str, value: &[u8]) -> Result<(), Error> {
        let mut resource = Resource::open(&format!("kv://{bucket}/{key}"))?;
        resource.write_all(value)?;
        resource.flush()
    }
}

/// Publishes a message; it is durable when this returns.
pub fn publish(queue: &str, message: &[u8]) -> Result<(), Error> {
    let mut resource = Resource::open(&format!("queue://{queue}"))?;
    resource.write_all(message)?;
    resource.flush()
}

/// Requests to other servers.
pub mod http {
    use super::{Error, Resource};

    #[derive(Debug)]
    pub struct Response {
        pub status: u16,
        /// Names as they came, values without white space around them.
        pub fields: Vec<(String, String)>,
        pub body: Vec<u8>,
    }

    pub fn get(url: &str) -> Result<Response, Error> {
        request("GET", url, &[], &[])
    }

    /// Sends a request to an `http:` or `https:` URL.
    pub fn request(method: &str, url: &str, fields: &[(&str, &str)], body: &[u8]) -> Result<Response, Error> {
        let after = url.find("://").ok_or(Error::InvalidArgument)? + 3;
        // What follows # is for the platform.
        let rest = url[after..].split('#').next().unwrap_or("");
        let (host, path) = rest.split_at(rest.find(|letter| letter == '/' || letter == '?').unwrap_or(rest.len()));
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut head = format!("{method} {slash}{path} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut resource = Resource::open(url)?;
        resource.write_all(head.as_bytes())?;
        resource.write_all(body)?;
        resource.flush()?;
        parse(resource.read_all()?)
    }

    fn parse(answer: Vec<u8>) -> Result<Response, Error> {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(Error::InvalidArgument)?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|number| number.parse().ok());
        let fields = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.into(), value.trim().into()));
        Ok(Response {
            status: status.ok_or(Error::InvalidArgument)?,
            fields: fields.collect(),
            body: answer[end + 4..].to_vec(),
        })
    }
}
