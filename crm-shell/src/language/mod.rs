//! The crm language: statements to elements of the CIB, and back.
//!
//! Pure: nothing here reads a file, a clock or an agent. What the grammar must know of the world
//! comes through [`World`]. One grammar serves parsing, messages, completion and highlighting:
//! while it reads, it notes what each place wanted and what each word was ([`Notes`]).

mod acl;
mod attributes;
mod constraint;
mod ids;
mod input;
mod print;
mod resource;
mod roundtrip;
mod settings;
mod statement;
mod token;
pub mod vocabulary;

pub use attributes::numeric_score;
pub use ids::{IdStore, assign, automatic, is_reference};
pub use input::{Class, Expect, Fault, NoWorld, Notes, SchemaVersion, World};
pub use print::{MASK, Style, agent, as_xml, is_member, matches_glob, xml_lines};
pub use roundtrip::{normalized, same, text, text_noting};
pub use statement::{Reference, Statement, is_identifier, parse, synopsis};
pub use token::{Content, Line, Word, continues, is_bare, lines, quote, quote_word, words};
pub use vocabulary::Kind;

#[cfg(test)]
mod tests;
