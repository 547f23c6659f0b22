//! The `DvreWorkflow` resource: types, conditions and reasons. No logic beyond what the schema says.

pub mod conditions;
pub mod reason;
pub mod runner;
pub mod schema;
pub mod sources;
pub mod status;
pub mod targets;
pub mod workflow;

pub use reason::Reason;
pub use status::{AttemptStatus, DvreWorkflowStatus, Phase, StepStatus};
pub use workflow::{DvreWorkflow, DvreWorkflowSpec, Engine, RetryPolicy, default_deployment};
