//! Runs CWL workflows on Kubernetes.
//!
//! A `DvreWorkflow` resource carries a CWL document, its inputs and a deployment. The operator
//! renders `streamflow.yml` into a ConfigMap, launches a StreamFlow runner Job and mirrors its
//! outcome into status. Data flows one way:
//!
//! `DvreWorkflow` → observe → `Observed` → plan → `Plan` → render → `Objects` → apply → status.

pub mod api;
pub mod cli;
pub mod controller;
pub mod cwl;
pub mod gateway;
pub mod lease;
pub mod metrics;
pub mod names;
pub mod offline;
pub mod render;
pub mod runner;
pub mod server;
pub mod settings;
pub mod stop;
pub mod streamflow_file;
pub mod telemetry;
mod words;
