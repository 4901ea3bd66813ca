//! What an expression selects.

use std::cmp::Ordering;

use crm_core::cib::Element;

use super::{Axis, Expression, Function, Node, Operator, Start, Step, Test, at};

enum Value {
    Nodes(Vec<Node>),
    Truth(bool),
    Number(f64),
    Text(String),
}

/// Where an expression is evaluated.
struct Context<'a> {
    root: &'a Element,
    node: Node,
    position: usize,
    size: usize,
}

pub(super) fn select(expression: &Expression, root: &Element) -> Vec<Vec<usize>> {
    let top = Node { path: None, attribute: None };
    let context = Context { root, node: top, position: 1, size: 1 };
    let Value::Nodes(nodes) = context.value(expression) else { return Vec::new() };
    let mut paths: Vec<Vec<usize>> = nodes.into_iter().filter_map(|n| n.path).collect();
    paths.sort();
    paths.dedup();
    paths
}

impl Context<'_> {
    fn element(&self, node: &Node) -> Option<&Element> {
        at(self.root, node.path.as_ref()?)
    }

    /// The value of an attribute, the text of an element.
    fn text_of(&self, node: &Node) -> String {
        let Some(element) = self.element(node) else { return String::new() };
        match node.attribute {
            Some(at) => element.attrs().nth(at).map(|(_, v)| v.to_string()).unwrap_or_default(),
            None => element.text(),
        }
    }

    fn name_of(&self, node: &Node) -> String {
        let Some(element) = self.element(node) else { return String::new() };
        match node.attribute {
            Some(at) => element.attrs().nth(at).map(|(n, _)| n.to_string()).unwrap_or_default(),
            None => element.name().to_string(),
        }
    }

    fn value(&self, expression: &Expression) -> Value {
        match expression {
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Negative(inner) => Value::Number(-self.number(&self.value(inner))),
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expression::Call(function, arguments) => self.call(*function, arguments),
            Expression::Path { start, filters, steps } => self.path(start, filters, steps),
        }
    }

    fn path(&self, start: &Start, filters: &[Expression], steps: &[Step]) -> Value {
        let mut nodes = match start {
            Start::Context => vec![self.node.clone()],
            Start::Root => vec![Node { path: None, attribute: None }],
            Start::Expression(inner) => match self.value(inner) {
                Value::Nodes(nodes) => nodes,
                Value::Truth(_) | Value::Number(_) | Value::Text(_) => Vec::new(),
            },
        };
        for filter in filters {
            nodes = self.filtered(nodes, filter);
        }
        for step in steps {
            let mut next = Vec::new();
            for node in &nodes {
                let mut found = self.along(node, step.axis);
                found.retain(|n| self.passes(n, step));
                for predicate in &step.predicates {
                    found = self.filtered(found, predicate);
                }
                next.extend(found);
            }
            next.sort();
            next.dedup();
            nodes = next;
        }
        Value::Nodes(nodes)
    }

    fn filtered(&self, nodes: Vec<Node>, predicate: &Expression) -> Vec<Node> {
        let size = nodes.len();
        let keeps = |position: usize, node: &Node| {
            let context = Context { root: self.root, node: node.clone(), position, size };
            match context.value(predicate) {
                #[allow(clippy::cast_precision_loss)] // positions are small
                Value::Number(number) => number == position as f64,
                other => context.truth(&other),
            }
        };
        let numbered = nodes.into_iter().enumerate();
        numbered.filter(|(at, node)| keeps(at + 1, node)).map(|(_, node)| node).collect()
    }

    /// The nodes along an axis, the nearest first.
    fn along(&self, node: &Node, axis: Axis) -> Vec<Node> {
        match axis {
            Axis::Itself => vec![node.clone()],
            Axis::Child => self.children(node),
            Axis::Descendant => self.descendants(node),
            Axis::DescendantOrSelf => {
                let mut all = vec![node.clone()];
                all.extend(self.descendants(node));
                all
            }
            Axis::Parent => parent(node).into_iter().collect(),
            Axis::Ancestor => ancestors(node),
            Axis::AncestorOrSelf => {
                let mut all = vec![node.clone()];
                all.extend(ancestors(node));
                all
            }
            Axis::FollowingSibling => self.siblings(node, Ordering::Greater),
            Axis::PrecedingSibling => {
                let mut before = self.siblings(node, Ordering::Less);
                before.reverse();
                before
            }
            Axis::Attribute => {
                let count = match node.attribute {
                    None => self.element(node).map_or(0, |e| e.attrs().len()),
                    Some(_) => 0,
                };
                let of = |at| Node { path: node.path.clone(), attribute: Some(at) };
                (0..count).map(of).collect()
            }
        }
    }

    fn children(&self, node: &Node) -> Vec<Node> {
        if node.attribute.is_some() {
            return Vec::new();
        }
        let Some(path) = &node.path else {
            return vec![Node { path: Some(Vec::new()), attribute: None }];
        };
        let count = self.element(node).map_or(0, |e| e.children().count());
        let below = |at| {
            let mut path = path.clone();
            path.push(at);
            Node { path: Some(path), attribute: None }
        };
        (0..count).map(below).collect()
    }

    fn descendants(&self, node: &Node) -> Vec<Node> {
        let mut waiting = self.children(node);
        waiting.reverse();
        let mut all = Vec::new();
        while let Some(next) = waiting.pop() {
            let mut below = self.children(&next);
            below.reverse();
            waiting.extend(below);
            all.push(next);
        }
        all
    }

    fn siblings(&self, node: &Node, side: Ordering) -> Vec<Node> {
        let all = parent(node).filter(|_| node.attribute.is_none());
        let all = all.map_or_else(Vec::new, |p| self.children(&p));
        all.into_iter().filter(|n| n.cmp(node) == side).collect()
    }

    fn passes(&self, node: &Node, step: &Step) -> bool {
        match &step.test {
            Test::Any => true,
            Test::Text => false,
            Test::AnyName => node.path.is_some(),
            Test::Name(name) => self.name_of(node) == *name,
        }
    }

    fn binary(&self, operator: Operator, left: &Expression, right: &Expression) -> Value {
        let left = self.value(left);
        match operator {
            Operator::Or => {
                return Value::Truth(self.truth(&left) || self.truth(&self.value(right)));
            }
            Operator::And => {
                return Value::Truth(self.truth(&left) && self.truth(&self.value(right)));
            }
            _ => {}
        }
        let right = self.value(right);
        let (a, b) = (|| self.number(&left), || self.number(&right));
        match operator {
            Operator::Or | Operator::And => Value::Truth(false),
            Operator::Plus => Value::Number(a() + b()),
            Operator::Minus => Value::Number(a() - b()),
            Operator::Times => Value::Number(a() * b()),
            Operator::Div => Value::Number(a() / b()),
            Operator::Mod => Value::Number(a() % b()),
            Operator::Union => match (left, right) {
                (Value::Nodes(mut all), Value::Nodes(more)) => {
                    all.extend(more);
                    all.sort();
                    all.dedup();
                    Value::Nodes(all)
                }
                (_, _) => Value::Nodes(Vec::new()),
            },
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => Value::Truth(self.compare(operator, &left, &right)),
        }
    }

    /// Section 3.4: a node set compares if any of its nodes does.
    fn compare(&self, operator: Operator, left: &Value, right: &Value) -> bool {
        let texts = |nodes: &[Node]| -> Vec<Value> {
            nodes.iter().map(|n| Value::Text(self.text_of(n))).collect()
        };
        match (left, right) {
            (Value::Nodes(nodes), other) if !matches!(other, Value::Truth(_)) => {
                texts(nodes).iter().any(|text| self.compare(operator, text, other))
            }
            (other, Value::Nodes(nodes)) if !matches!(other, Value::Truth(_)) => {
                texts(nodes).iter().any(|text| self.compare(operator, other, text))
            }
            (_, _) => self.compare_single(operator, left, right),
        }
    }

    fn compare_single(&self, operator: Operator, left: &Value, right: &Value) -> bool {
        let equal = || match (left, right) {
            (Value::Truth(_), _) | (_, Value::Truth(_)) => self.truth(left) == self.truth(right),
            (Value::Number(_), _) | (_, Value::Number(_)) => {
                self.number(left) == self.number(right)
            }
            (_, _) => self.text(left) == self.text(right),
        };
        match operator {
            Operator::Equal => equal(),
            Operator::NotEqual => !equal(),
            Operator::Less => self.number(left) < self.number(right),
            Operator::LessOrEqual => self.number(left) <= self.number(right),
            Operator::Greater => self.number(left) > self.number(right),
            Operator::GreaterOrEqual => self.number(left) >= self.number(right),
            _ => false,
        }
    }

    fn call(&self, function: Function, arguments: &[Expression]) -> Value {
        let value = |at: usize| match arguments.get(at) {
            Some(argument) => self.value(argument),
            None => Value::Nodes(vec![self.node.clone()]),
        };
        let text = |at: usize| self.text(&value(at));
        let number = |at: usize| self.number(&value(at));
        let nodes = |at: usize| match value(at) {
            Value::Nodes(nodes) => nodes,
            Value::Truth(_) | Value::Number(_) | Value::Text(_) => Vec::new(),
        };
        #[allow(clippy::cast_precision_loss)] // counts of nodes are small
        let count = |n: usize| Value::Number(n as f64);
        match function {
            Function::Last => count(self.size),
            Function::Position => count(self.position),
            Function::Count => count(nodes(0).len()),
            Function::Name => {
                Value::Text(nodes(0).first().map(|n| self.name_of(n)).unwrap_or_default())
            }
            Function::String => Value::Text(text(0)),
            Function::Concat => Value::Text((0..arguments.len()).map(text).collect()),
            Function::StartsWith => Value::Truth(text(0).starts_with(&text(1))),
            Function::Contains => Value::Truth(text(0).contains(&text(1))),
            Function::SubstringBefore => {
                let (whole, part) = (text(0), text(1));
                Value::Text(whole.split_once(&part).map(|(a, _)| a.to_string()).unwrap_or_default())
            }
            Function::SubstringAfter => {
                let (whole, part) = (text(0), text(1));
                Value::Text(whole.split_once(&part).map(|(_, b)| b.to_string()).unwrap_or_default())
            }
            Function::Substring => {
                let from = number(1).round();
                let end = arguments.get(2).map_or(f64::INFINITY, |_| from + number(2).round());
                #[allow(clippy::cast_precision_loss)] // positions are small
                let inside = |at: usize| (at + 1) as f64 >= from && ((at + 1) as f64) < end;
                let whole = text(0);
                let part = whole.chars().enumerate().filter(|(at, _)| inside(*at));
                Value::Text(part.map(|(_, c)| c).collect())
            }
            Function::StringLength => count(text(0).chars().count()),
            Function::NormalizeSpace => {
                Value::Text(text(0).split_whitespace().collect::<Vec<_>>().join(" "))
            }
            Function::Not => Value::Truth(!self.truth(&value(0))),
            Function::True => Value::Truth(true),
            Function::False => Value::Truth(false),
            Function::Boolean => Value::Truth(self.truth(&value(0))),
            Function::Number => Value::Number(number(0)),
            Function::Sum => {
                let numbers = nodes(0).into_iter().map(|n| to_number(&self.text_of(&n)));
                Value::Number(numbers.sum())
            }
            Function::Floor => Value::Number(number(0).floor()),
            Function::Ceiling => Value::Number(number(0).ceil()),
            Function::Round => Value::Number((number(0) + 0.5).floor()),
        }
    }

    fn truth(&self, value: &Value) -> bool {
        match value {
            Value::Nodes(nodes) => !nodes.is_empty(),
            Value::Truth(truth) => *truth,
            Value::Number(number) => *number != 0.0 && !number.is_nan(),
            Value::Text(text) => !text.is_empty(),
        }
    }

    fn number(&self, value: &Value) -> f64 {
        match value {
            Value::Number(number) => *number,
            Value::Truth(truth) => f64::from(u8::from(*truth)),
            Value::Nodes(_) | Value::Text(_) => to_number(&self.text(value)),
        }
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::Nodes(nodes) => nodes.first().map(|n| self.text_of(n)).unwrap_or_default(),
            Value::Truth(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        }
    }
}

fn to_number(text: &str) -> f64 {
    text.trim().parse().unwrap_or(f64::NAN)
}

fn parent(node: &Node) -> Option<Node> {
    if node.attribute.is_some() {
        return Some(Node { path: node.path.clone(), attribute: None });
    }
    let path = node.path.as_ref()?;
    let above = path.split_last().map(|(_, parents)| parents.to_vec());
    Some(Node { path: above, attribute: None })
}

/// The nearest first.
fn ancestors(node: &Node) -> Vec<Node> {
    std::iter::successors(parent(node), parent).collect()
}
