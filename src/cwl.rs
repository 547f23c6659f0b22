//! Reading and checking CWL before any compute.
//!
//! [`load`] reads a CWL v1.0, v1.1 or v1.2 document from text that is already in memory, follows
//! its references within the given files, and checks what can be checked without running
//! anything. The [`Process`] it returns then answers for one run: do these inputs fit
//! ([`Process::check_inputs`]), can the target honour the requirements
//! ([`Process::check_target`]), and which steps are there ([`Process::steps`]).
//!
//! Everything here is pure: no file, no network, no clock. The text comes from users and counts as
//! hostile, so size, nesting, aliases, imports and checking effort are all bounded, and every
//! refusal is a [`Problem`] that names the place in the document.
//!
//! The rule for strictness: refuse only what no CWL engine could run, or would run differently
//! from what is written. See `docs/adr/0003-cwl-crate.md` for why this is not an existing crate.

mod cursor;
mod document;
mod inputs;
mod names;
mod problem;
mod process;
mod requirements;
mod resolve;
mod tool;
mod types;
mod value;
mod workflow;

pub use document::read_object;
pub use inputs::Known;
pub use problem::{Kind, Problem};
pub use process::{Process, load};
