//! Text to expression.

use super::{Axis, Expression, Function, Operator, Start, Step, Test};

/// How deeply expressions may be nested.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Symbol(&'static str),
    Name(String),
    Text(String),
    Number(f64),
}

/// Longest first, so that `//` is not read as two.
const SYMBOLS: [&str; 20] = [
    "//", "::", "..", "!=", "<=", ">=", "/", "(", ")", "[", "]", ".", "@", ",", "|", "+", "-", "=",
    "<", ">",
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first == '\'' || first == '"' {
            let inside = &rest[1..];
            let end = inside.find(first).ok_or_else(|| format!("{first} is not closed"))?;
            (Token::Text(inside[..end].to_string()), end + 2)
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'));
            let digits = &rest[..end.unwrap_or(rest.len())];
            let number = digits.parse().map_err(|_| format!("'{digits}' is no number"))?;
            (Token::Number(number), digits.len())
        } else if first == '*' {
            (Token::Symbol("*"), 1)
        } else if first.is_alphabetic() || first == '_' {
            let ends = |c: char| !(c.is_alphanumeric() || "_-.".contains(c));
            let name = &rest[..rest.find(ends).unwrap_or(rest.len())];
            (Token::Name(name.to_string()), name.len())
        } else {
            let symbol = SYMBOLS.into_iter().find(|s| rest.starts_with(s));
            let symbol = symbol.ok_or_else(|| format!("'{first}' is not understood"))?;
            (Token::Symbol(symbol), symbol.len())
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

pub(super) fn expression(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let parsed = parser.binary(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(parsed),
        Some(token) => Err(format!("{token:?} is too much in '{text}'")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Binary operators, the loosest first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[("=", Operator::Equal), ("!=", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("div", Operator::Div), ("mod", Operator::Mod)],
];

impl Parser {
    fn peek(&self, symbol: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Symbol(s)) if *s == symbol)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.peek(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) { Ok(()) } else { Err(format!("'{symbol}' is missing")) }
    }

    fn operator(&mut self, level: usize) -> Option<Operator> {
        let word = match self.tokens.get(self.at)? {
            Token::Symbol(s) => *s,
            Token::Name(n) => n.as_str(),
            Token::Text(_) | Token::Number(_) => return None,
        };
        let (_, found) = LEVELS[level].iter().find(|(w, _)| *w == word)?;
        self.at += 1;
        Some(*found)
    }

    fn binary(&mut self, level: usize) -> Result<Expression, String> {
        if level == LEVELS.len() {
            return self.unary();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH * LEVELS.len() {
            return Err("the expression is nested too deeply".into());
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        let mut minus = 0;
        while self.take("-") {
            minus += 1;
        }
        let mut inner = self.path()?;
        while self.take("|") {
            let right = self.path()?;
            inner = Expression::Binary(Operator::Union, Box::new(inner), Box::new(right));
        }
        Ok(if minus % 2 == 1 { Expression::Negative(Box::new(inner)) } else { inner })
    }

    fn path(&mut self) -> Result<Expression, String> {
        let mut steps = Vec::new();
        let primary = self.primary()?;
        let mut filters = Vec::new();
        let start = match primary {
            Some(primary) => {
                while self.peek("[") {
                    filters.push(self.predicate()?);
                }
                if filters.is_empty() && !self.peek("/") && !self.peek("//") {
                    return Ok(primary);
                }
                Start::Expression(Box::new(primary))
            }
            None if self.peek("//") => Start::Root,
            None if self.take("/") => {
                if !self.begins_step() {
                    return Ok(Expression::Path { start: Start::Root, filters, steps });
                }
                steps.push(self.step()?);
                Start::Root
            }
            None => {
                steps.push(self.step()?);
                Start::Context
            }
        };
        loop {
            if self.take("//") {
                steps.push(Step {
                    axis: Axis::DescendantOrSelf,
                    test: Test::Any,
                    predicates: Vec::new(),
                });
            } else if !self.take("/") {
                return Ok(Expression::Path { start, filters, steps });
            }
            steps.push(self.step()?);
        }
    }

    fn begins_step(&self) -> bool {
        ["*", ".", "..", "@"].iter().any(|s| self.peek(s))
            || matches!(self.tokens.get(self.at), Some(Token::Name(_)))
    }

    /// A literal, a call or a parenthesis; nothing if a step begins here.
    fn primary(&mut self) -> Result<Option<Expression>, String> {
        if self.take("(") {
            let inner = self.binary(0)?;
            self.expect(")")?;
            return Ok(Some(inner));
        }
        let literal = match self.tokens.get(self.at) {
            Some(Token::Number(number)) => Expression::Number(*number),
            Some(Token::Text(text)) => Expression::Text(text.clone()),
            Some(Token::Name(name)) => {
                let name = name.clone();
                let is_call = matches!(self.tokens.get(self.at + 1), Some(Token::Symbol("(")));
                if !is_call || matches!(&*name, "node" | "text") {
                    return Ok(None);
                }
                self.at += 2;
                return self.call(&name).map(Some);
            }
            Some(Token::Symbol(_)) => return Ok(None),
            None => return Err("the expression ends too early".into()),
        };
        self.at += 1;
        Ok(Some(literal))
    }

    fn call(&mut self, name: &str) -> Result<Expression, String> {
        let (function, counts) = match name {
            "last" => (Function::Last, 0..=0),
            "position" => (Function::Position, 0..=0),
            "count" => (Function::Count, 1..=1),
            "name" | "local-name" => (Function::Name, 0..=1),
            "string" => (Function::String, 0..=1),
            "concat" => (Function::Concat, 2..=usize::MAX),
            "starts-with" => (Function::StartsWith, 2..=2),
            "contains" => (Function::Contains, 2..=2),
            "substring-before" => (Function::SubstringBefore, 2..=2),
            "substring-after" => (Function::SubstringAfter, 2..=2),
            "substring" => (Function::Substring, 2..=3),
            "string-length" => (Function::StringLength, 0..=1),
            "normalize-space" => (Function::NormalizeSpace, 0..=1),
            "not" => (Function::Not, 1..=1),
            "true" => (Function::True, 0..=0),
            "false" => (Function::False, 0..=0),
            "boolean" => (Function::Boolean, 1..=1),
            "number" => (Function::Number, 0..=1),
            "sum" => (Function::Sum, 1..=1),
            "floor" => (Function::Floor, 1..=1),
            "ceiling" => (Function::Ceiling, 1..=1),
            "round" => (Function::Round, 1..=1),
            other => return Err(format!("there is no function '{other}' here")),
        };
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.binary(0)?);
                if self.take(")") {
                    break;
                }
                self.expect(",")?;
            }
        }
        if !counts.contains(&arguments.len()) {
            return Err(format!("{name}() does not take {} arguments", arguments.len()));
        }
        Ok(Expression::Call(function, arguments))
    }

    fn predicate(&mut self) -> Result<Expression, String> {
        self.expect("[")?;
        let inner = self.binary(0)?;
        self.expect("]")?;
        Ok(inner)
    }

    fn step(&mut self) -> Result<Step, String> {
        let plain = |axis| Step { axis, test: Test::Any, predicates: Vec::new() };
        if self.take("..") {
            return Ok(plain(Axis::Parent));
        }
        if self.take(".") {
            return Ok(plain(Axis::Itself));
        }
        let axis = if self.take("@") { Axis::Attribute } else { self.axis()? };
        let test = if self.take("*") {
            Test::AnyName
        } else {
            let Some(Token::Name(name)) = self.tokens.get(self.at).cloned() else {
                return Err("a step of the path is missing".into());
            };
            self.at += 1;
            if self.take("(") {
                self.expect(")")?;
                match &*name {
                    "node" => Test::Any,
                    "text" => Test::Text,
                    other => return Err(format!("'{other}()' is no step")),
                }
            } else {
                Test::Name(name)
            }
        };
        let mut predicates = Vec::new();
        while self.peek("[") {
            predicates.push(self.predicate()?);
        }
        Ok(Step { axis, test, predicates })
    }

    fn axis(&mut self) -> Result<Axis, String> {
        let (Some(Token::Name(name)), Some(Token::Symbol("::"))) =
            (self.tokens.get(self.at), self.tokens.get(self.at + 1))
        else {
            return Ok(Axis::Child);
        };
        let axis = match &**name {
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "parent" => Axis::Parent,
            "ancestor" => Axis::Ancestor,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            "self" => Axis::Itself,
            "following-sibling" => Axis::FollowingSibling,
            "preceding-sibling" => Axis::PrecedingSibling,
            "attribute" => Axis::Attribute,
            other => return Err(format!("there is no axis '{other}' here")),
        };
        self.at += 2;
        Ok(axis)
    }
}
