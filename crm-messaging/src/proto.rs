//! Messages and services, generated from `proto/*.proto` at build time.

#![allow(missing_docs, clippy::all, unused_qualifications)]

tonic::include_proto!("crm.v1");

/// What daemons say to each other.
pub mod peer {
    tonic::include_proto!("crm.peer.v1");
}
