//! Compiles the protobuf definitions without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/crm.proto", "proto/peer.proto"], ["proto"])?;
    let mut code = tonic_prost_build::configure().bytes(".").btree_map(".");
    // Events are kept and printed as JSON; what is empty is left out.
    let derive = "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default)]";
    code = code.type_attribute("crm.v1.Event", derive);
    for field in ["node", "resource", "input", "detail"] {
        let empty = "#[serde(skip_serializing_if = \"String::is_empty\")]";
        code = code.field_attribute(format!("crm.v1.Event.{field}"), empty);
    }
    let no = "#[serde(skip_serializing_if = \"std::ops::Not::not\")]";
    code.field_attribute("crm.v1.Event.failed", no).compile_fds(files)?;
    Ok(())
}
