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
mod describe;
mod document;
mod entry;
mod header;
mod inputs;
mod names;
pub mod needs;
mod order;
mod problem;
mod process;
mod requirements;
mod resolve;
mod tool;
mod types;
mod value;
mod workflow;

pub use describe::{About, Description, Parameter, ProcessDescription, Source, describe};
pub use document::{read_document, read_object};
pub use inputs::Known;
pub use problem::{Kind, Problem};
pub use process::{Process, load};
pub use requirements::check_added_requirements;

#[cfg(test)]
mod tests {
    mod describe;
    mod documents;
    mod hostile;
    mod inputs;
    mod requirements;

    use super::{Kind, Problem, Process, load};
    use std::collections::BTreeMap;

    const TOOL: &str = "\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs: {message: {type: string, inputBinding: {position: 1}}}
outputs: {out: stdout}
";

    const WORKFLOW: &str = "\
cwlVersion: v1.2
class: Workflow
inputs: {message: string, n: int?}
outputs: {out: {type: File, outputSource: b/out}}
steps:
  b: {run: tools/echo.cwl, in: {message: {source: a/out, valueFrom: $(self.basename)}}, out: [out]}
  a: {run: tools/echo.cwl, in: {message: message}, out: [{id: out}]}
";

    /// Files by path.
    fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect()
    }

    /// Reads a document of one file.
    fn load_one(text: &str) -> Result<Process, Problem> {
        load(&files(&[("main.cwl", text)]), "main.cwl")
    }

    /// Expects that a document is refused for what stands at `place`.
    fn refused(text: &str, kind: Kind, place: &str, message: &str) {
        let problem = load_one(text).unwrap_err();
        assert_eq!(
            (problem.kind, problem.place.as_str()),
            (kind, place),
            "{problem}"
        );
        assert!(problem.message.contains(message), "{problem}");
    }
}
