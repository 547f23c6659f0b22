//! What can go wrong at one request.

use std::fmt::{self, Display};
use std::time::Duration;

use serde_json::{Value, json};

use crate::request::{Occurrence, Request};

/// How long a stalled request is held back: longer than the operator waits for an answer (10 s).
pub const STALL: Duration = Duration::from_secs(12);
/// How long a watch says nothing before its connection breaks.
pub const SILENCE: Duration = Duration::from_secs(12);
/// How long a watch has nothing but bookmarks.
pub const BOOKMARKS: Duration = Duration::from_secs(5);

/// A fault at one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The operator is killed before the request reaches the server.
    CrashBefore,
    /// The operator is killed after the server has committed the request, and before its reply.
    CrashAfter,
    /// The request is answered with this code, and does not reach the server.
    Reply(u16),
    /// The same with one code of [`BUSY`] after the other, the request's repetitions included.
    Busy,
    /// The server commits the request, and the answer is a gateway's timeout.
    LostReply,
    /// The connection is reset before the request reaches the server.
    Reset,
    /// The request reaches the server when nobody waits for its answer any more.
    Stall,
    /// The watch is answered with 410.
    Gone,
    /// The watch begins, and its first line is an error 410.
    GoneInStream,
    /// The connection breaks in the middle of the first event.
    Truncated,
    /// Nothing arrives for a while, and then the connection breaks.
    Silence,
    /// For a while bookmarks arrive, and no events.
    BookmarkOnly,
}

/// What a busy server answers.
pub const BUSY: [u16; 3] = [429, 500, 503];

use Fault::{
    BookmarkOnly, Busy, CrashAfter, CrashBefore, Gone, GoneInStream, LostReply, Reply, Reset,
    Silence, Stall, Truncated,
};

/// All faults, in the order of the summary.
pub const ALL: [Fault; 14] = [
    CrashBefore,
    CrashAfter,
    Reply(409),
    Reply(422),
    Busy,
    LostReply,
    Reset,
    Stall,
    Reply(404),
    Gone,
    GoneInStream,
    Truncated,
    Silence,
    BookmarkOnly,
];

/// A fault at the request of that number of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Planned {
    pub at: Occurrence,
    pub fault: Fault,
}

impl Fault {
    /// Whether the fault makes sense for a request, which had so many events when it is a stream.
    pub fn applies_to(self, request: &Request, events: usize) -> bool {
        match self {
            CrashBefore | Reset | Stall | Busy => true,
            // The answer to these is their stream.
            CrashAfter | LostReply | Reply(409 | 422) => !request.is_stream(),
            Reply(_) | Silence => request.is_stream(),
            Truncated => request.is_stream() && events > 0,
            Gone | GoneInStream | BookmarkOnly => request.is_watch(),
        }
    }

    /// Whether it makes the run end as refused: the server says that a child is not valid.
    pub fn refuses(self, request: &Request) -> bool {
        self == Reply(422) && request.creates_child()
    }

    /// Whether a single answer is wrong, or missing, and all is well after it.
    pub fn is_answer(self) -> bool {
        matches!(self, Reply(_) | Busy | LostReply | Reset | Gone)
    }

    /// Whether it is over in a moment.
    pub fn is_sudden(self) -> bool {
        self.is_answer() || matches!(self, CrashBefore | CrashAfter | GoneInStream)
    }

    /// How many requests in a row it strikes, if they come.
    pub fn strikes(self) -> usize {
        if self == Busy { BUSY.len() } else { 1 }
    }

    /// Whether an old write may arrive after a newer one.
    pub fn is_late(self) -> bool {
        self == Stall
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            CrashBefore => "crash before",
            CrashAfter => "crash after",
            Reply(code) => return write!(f, "{code}"),
            Busy => "429, then 500, then 503",
            LostReply => "504 after commit",
            Reset => "reset",
            Stall => "stall, late commit",
            Gone => "watch: 410 at start",
            GoneInStream => "watch: 410 in stream",
            Truncated => "stream: truncated",
            Silence => "stream: silence",
            BookmarkOnly => "watch: bookmarks only",
        };
        f.write_str(text)
    }
}

impl Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.fault, self.at)
    }
}

/// The body of an answer with this code, as an API server writes it.
pub fn status(code: u16, request: &Request) -> Value {
    let reason = match code {
        404 => "NotFound",
        409 if request.verb == "create" => "AlreadyExists",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "Unknown",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("injected: {reason}"), "reason": reason, "code": code,
    })
}
