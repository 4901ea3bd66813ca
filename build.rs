//! How the executable is linked.

use std::env::var;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |what: &str| var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        // At a fixed address. A movable executable of this size has 37 000 pointers to correct
        // before `main`, in 180 pages that no two processes can then share: that was half of what
        // a small command cost, and agents are commands, too. Stack, heap and libraries are still
        // put at random addresses; that the code is not matters little, since a crate can be
        // `unsafe` only in its `sys` modules.
        println!("cargo:rustc-link-arg-bin=crm=-no-pie");
    }
}
