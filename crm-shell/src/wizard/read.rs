//! Reading a wizard.

use super::{Kind, Parameter, Wizard};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Configure,
    After,
}

/// Reads the text of a wizard.
///
/// # Errors
/// What is wrong, and in which line.
pub fn read(name: &str, text: &str) -> Result<Wizard, String> {
    let mut wizard = Wizard {
        name: name.to_string(),
        about: String::new(),
        category: "Other".into(),
        help: String::new(),
        parameters: Vec::new(),
        configure: Vec::new(),
        after: Vec::new(),
    };
    let mut part = Part::Head;
    for (at, line) in text.lines().enumerate() {
        let wrong = |what: String| format!("{name}, line {}: {what}", at + 1);
        let bare = line.trim_end();
        match (part, bare) {
            (_, l) if l.starts_with('#') => {}
            (_, "configure") => part = Part::Configure,
            (_, "after") => part = Part::After,
            (Part::Head, "") => {}
            (Part::Head, l) => head(&mut wizard, l).map_err(wrong)?,
            (Part::Configure, "") => {}
            (Part::Configure, l) => wizard.configure.push(l.to_string()),
            (Part::After, l) => wizard.after.push(l.to_string()),
        }
    }
    if wizard.about.is_empty() || wizard.configure.is_empty() {
        return Err(format!("{name}: a wizard needs 'about' and 'configure'"));
    }
    check_names(&wizard)?;
    Ok(wizard)
}

fn head(wizard: &mut Wizard, line: &str) -> Result<(), String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "about" => wizard.about = rest.trim().into(),
        "category" => wizard.category = rest.trim().into(),
        "help" => {
            wizard.help.push_str(rest);
            wizard.help.push('\n');
        }
        "parameter" => {
            let parameter = parameter(rest)?;
            if wizard.parameters.iter().any(|p| p.name == parameter.name) {
                return Err(format!("parameter {} is there twice", parameter.name));
            }
            wizard.parameters.push(parameter);
        }
        other => {
            return Err(format!(
                "'{other}' is none of about, category, help, parameter, configure and after"
            ));
        }
    }
    Ok(())
}

/// `name type [required] [= default] : about`
fn parameter(text: &str) -> Result<Parameter, String> {
    let (left, about) = text.split_once(" : ").ok_or("expected ': ' and what the parameter is")?;
    let (left, default) = match left.split_once(" = ") {
        Some((left, default)) => (left, Some(default.trim().to_string())),
        None => (left, None),
    };
    let mut words = left.split_whitespace();
    let name = words.next().ok_or("a parameter needs a name")?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        return Err(format!("'{name}' cannot be the name of a parameter"));
    }
    let kind = match words.next().unwrap_or("text") {
        "resource" => Kind::Resource,
        "address" => Kind::Address,
        "integer" => Kind::Integer,
        "boolean" => Kind::Boolean,
        "duration" => Kind::Duration,
        "path" => Kind::Path,
        "text" => Kind::Text,
        "words" => Kind::Words,
        several if several.contains('|') => {
            Kind::OneOf(several.split('|').map(str::to_string).collect())
        }
        other => return Err(format!("'{other}' is no type of a parameter")),
    };
    let required = match words.next() {
        None => false,
        Some("required") => true,
        Some(other) => return Err(format!("'{other}' is not understood; expected 'required'")),
    };
    let name = name.to_string();
    Ok(Parameter { name, kind, required, default, about: about.trim().to_string() })
}

/// Every blank is a parameter.
fn check_names(wizard: &Wizard) -> Result<(), String> {
    let known = |name: &str| wizard.parameters.iter().any(|p| p.name == name);
    for line in wizard.configure.iter().chain(&wizard.after) {
        for blank in line.split("%{").skip(1) {
            let name = blank.split_once('}').map(|(n, _)| n).unwrap_or(blank);
            if !known(name) {
                return Err(format!(
                    "{}: there is no parameter '{name}' for %{{{name}}}",
                    wizard.name
                ));
            }
        }
        if let Some(rest) = line.strip_prefix("%if ") {
            let name = rest.split_once(" : ").map_or(rest, |(n, _)| n);
            if !known(name) {
                return Err(format!("{}: there is no parameter '{name}' for %if", wizard.name));
            }
        }
        if line.matches("%[").count() != line.matches("%]").count() {
            return Err(format!("{}: %[ without %] in '{line}'", wizard.name));
        }
    }
    Ok(())
}
