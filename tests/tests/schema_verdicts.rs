//! Our verdicts on documents beside those of the schema files that Pacemaker installs: the
//! inputs of its suite, a document with everything in it, and random mutations of all of them,
//! in every schema.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crm_core::cib::schema::Schema;
use crm_core::cib::{self, Element};
use crm_tests::conformance::Suite;
use crm_tests::fuzz::mutate::{Dice, mutated};
use libtest_mimic::{Arguments, Failed, Trial};

/// Where Debian's package has them.
const SCHEMAS: &str = "/usr/share/pacemaker";

/// Larger inputs say the same as smaller ones.
const LARGEST: usize = 40_000;

fn main() -> ExitCode {
    let trials = match needed() {
        Ok(suite) => vec![Trial::test("verdicts_agree", move || compare(&suite))],
        Err(reason) => vec![Trial::test(reason, || Ok(())).with_ignored_flag(true)],
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn needed() -> Result<Suite, String> {
    if Command::new("xmllint").arg("--version").output().is_err() {
        return Err("xmllint is not installed (package libxml2-utils)".into());
    }
    if !rng(Schema::CURRENT).exists() {
        return Err(format!("there are no schemas in {SCHEMAS} (package pacemaker-common)"));
    }
    Suite::find()
}

fn rng(schema: Schema) -> PathBuf {
    Path::new(SCHEMAS).join(format!("{schema}.rng"))
}

/// One question: is this document valid in this schema?
struct Question {
    schema: Schema,
    document: Element,
    origin: String,
}

fn compare(suite: &Suite) -> Result<(), Failed> {
    let wanted = std::env::var("CRM_VERDICTS").ok().and_then(|n| n.parse().ok());
    let questions = questions(suite, wanted.unwrap_or(4000))?;
    let (mut valid, mut wrong) = (0usize, Vec::new());
    let schemas: Vec<Schema> = Schema::releases().chain([Schema::Next]).collect();
    for schema in &schemas {
        let of: Vec<&Question> = questions.iter().filter(|q| q.schema == *schema).collect();
        for part in of.chunks(200) {
            for (question, theirs) in part.iter().zip(reference(*schema, part)?) {
                valid += usize::from(theirs);
                let found = schema.check(&question.document);
                if found.is_empty() != theirs {
                    let ours: Vec<String> = found.iter().map(ToString::to_string).collect();
                    wrong.push(format!(
                        "{} in {schema}: theirs {theirs}, ours {ours:?}\n{}",
                        question.origin, question.document
                    ));
                }
            }
        }
    }
    let all = questions.len();
    let agree = all - wrong.len();
    writeln!(std::io::stdout(), "{agree} of {all} verdicts agree; {valid} documents are valid")?;
    if let Some(path) = std::env::var_os("CRM_VERDICTS_TO") {
        std::fs::write(path, wrong.join("\n\n"))?;
    }
    if valid * 10 < all || valid * 10 > all * 9 {
        return Err(format!("{valid} of {all} documents are valid: too few or too many").into());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let count = wrong.len();
    wrong.truncate(3);
    Err(format!("{count} of {all} differ\n{}", wrong.join("\n\n")).into())
}

fn questions(suite: &Suite, mutants: usize) -> Result<Vec<Question>, Failed> {
    let mut sources: Vec<(String, Element)> = Vec::new();
    for case in &suite.cases {
        let text = std::fs::read_to_string(suite.input(case))?;
        if text.len() <= LARGEST {
            sources.push((case.name.clone(), cib::parse(&text)?));
        }
    }
    let everything: [(&str, &str); 2] = [
        ("everything-3.9", include_str!("schemas/everything-3.9.xml")),
        ("everything-1.3", include_str!("schemas/everything-1.3.xml")),
    ];
    let mut rich = Vec::new();
    for (name, text) in everything {
        rich.push((name.to_string(), cib::parse(text)?));
    }
    let schemas: Vec<Schema> = Schema::releases().chain([Schema::Next]).collect();
    let mut out = Vec::new();
    for (name, document) in &sources {
        let named = document.attr("validate-with").and_then(Schema::named);
        for schema in named.filter(|s| *s != Schema::Unchecked).into_iter().chain([Schema::CURRENT])
        {
            let (document, origin) = (document.clone(), name.clone());
            out.push(Question { schema, document, origin });
        }
    }
    for (name, document) in &rich {
        for &schema in &schemas {
            let (document, origin) = (document.clone(), name.clone());
            out.push(Question { schema, document, origin });
        }
    }
    for seed in 0..mutants {
        let mut dice = Dice::new(u64::try_from(seed)?);
        let from = if dice.below(2) == 0 { &rich } else { &sources };
        let (name, document) = &from[dice.below(from.len())];
        let own = document.attr("validate-with").and_then(Schema::named);
        let schema = match own.filter(|s| *s != Schema::Unchecked) {
            Some(own) if dice.below(2) == 0 => own,
            _ => schemas[dice.below(schemas.len())],
        };
        let document = mutated(document, &mut dice);
        out.push(Question { schema, document, origin: format!("{name}, seed {seed}") });
    }
    Ok(out)
}

/// What xmllint says, in the same order.
fn reference(schema: Schema, questions: &[&Question]) -> Result<Vec<bool>, Failed> {
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("xmllint");
    command.arg("--noout").arg("--relaxng").arg(rng(schema));
    let mut files = Vec::new();
    for (number, question) in questions.iter().enumerate() {
        let file = directory.path().join(format!("{number}.xml"));
        std::fs::write(&file, question.document.to_string())?;
        command.arg(&file);
        files.push(file);
    }
    let said = String::from_utf8_lossy(&command.output()?.stderr).into_owned();
    let mut verdicts = Vec::new();
    for (file, question) in files.iter().zip(questions) {
        let good = format!("{} validates", file.display());
        let bad = format!("{} fails to validate", file.display());
        let says = |what: &str| said.lines().any(|line| line == what);
        match (says(&good), says(&bad)) {
            (true, false) => verdicts.push(true),
            (false, true) => verdicts.push(false),
            _ => {
                return Err(format!("xmllint has no verdict on {}: {said}", question.origin).into());
            }
        }
    }
    Ok(verdicts)
}
