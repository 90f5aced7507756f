//! The values of the attribute's keys.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{Error, Expr, ExprLit, ExprUnary, Lit, LitStr, Result, UnOp};

use crate::problems::Problems;
use crate::{duration, signal};

/// The value of a key.
pub(crate) enum Value {
    /// A timeout given as a literal.
    Limit(Duration),
    Timeout(Expr),
    Deadline(Expr),
    Token(Expr),
    /// One signal, or a list.
    Signals(Vec<Signal>),
    Condition(Expr),
    Source(Expr),
    /// The name of the operation.
    Name(Expr),
    /// How long the body may continue after a cancellation.
    Grace(Length),
    /// How long the body may go without reporting progress.
    StalledAfter(Length),
}

pub(crate) enum Length {
    Literal(Duration),
    Expr(Expr),
}

pub(crate) enum Signal {
    /// The name of the variant, with the span of the literal.
    Named(Ident),
    Expr(Expr),
}

impl Value {
    /// Returns whether the value is a source. Only sources may be given several times.
    pub(crate) fn is_source(&self) -> bool {
        !matches!(self, Value::Name(_) | Value::Grace(_) | Value::StalledAfter(_))
    }
}

/// Checks and converts the value of `key`.
pub(crate) fn value(key: &Ident, expr: Expr) -> Result<Value> {
    match key.to_string().as_str() {
        "timeout" => limit(expr),
        "deadline" => deadline(expr),
        "token" => Ok(Value::Token(expr)),
        "signal" => signals(expr),
        "condition" => Ok(Value::Condition(expr)),
        "name" => name(expr),
        "grace" => length(expr, "a grace period", "5s", &duration::GRACE).map(Value::Grace),
        "stalled_after" => {
            length(expr, "a time limit", "10s", &duration::LIMIT).map(Value::StalledAfter)
        }
        _ => Ok(Value::Source(expr)),
    }
}

fn limit(expr: Expr) -> Result<Value> {
    match literal(&expr) {
        None => Ok(Value::Timeout(expr)),
        Some(Lit::Str(text)) => duration(text, &duration::LIMIT).map(Value::Limit),
        Some(_) => {
            let message = "a time limit is a string with a unit, such as \"30s\", or an expression \
                           of type `Duration`";
            Err(Error::new_spanned(expr, message))
        }
    }
}

/// Checks and converts a duration that is not a source. `what` and `example` are for the message.
fn length(expr: Expr, what: &str, example: &str, messages: &duration::Messages) -> Result<Length> {
    match literal(&expr) {
        None => Ok(Length::Expr(expr)),
        Some(Lit::Str(text)) => duration(text, messages).map(Length::Literal),
        Some(_) => {
            let message = format!(
                "{what} is a string with a unit, such as \"{example}\", or an expression of type \
                 `Duration`"
            );
            Err(Error::new_spanned(expr, message))
        }
    }
}

fn duration(text: &LitStr, messages: &duration::Messages) -> Result<Duration> {
    duration::parse(&without_suffix(text)?, messages)
        .map_err(|message| Error::new(text.span(), message))
}

fn deadline(expr: Expr) -> Result<Value> {
    if literal(&expr).is_some() {
        let message = "a deadline is an expression of type `Instant`; for a duration write \
                       `timeout = \"30s\"`";
        return Err(Error::new_spanned(expr, message));
    }
    Ok(Value::Deadline(expr))
}

fn name(expr: Expr) -> Result<Value> {
    match literal(&expr) {
        None => Ok(Value::Name(expr)),
        Some(Lit::Str(text)) => without_suffix(text).map(|_| Value::Name(expr.clone())),
        Some(_) => {
            let message = "a name is a string such as \"fetch\", or an expression of type `String` \
                           or `Text`";
            Err(Error::new_spanned(expr, message))
        }
    }
}

fn signals(expr: Expr) -> Result<Value> {
    let Expr::Array(list) = ungrouped(&expr) else {
        return Ok(Value::Signals(vec![one_signal(expr)?]));
    };
    if list.elems.is_empty() {
        return Err(Error::new_spanned(list, "the list of signals is empty: name at least one"));
    }
    let mut problems = Problems::default();
    let mut signals: Vec<Signal> = Vec::new();
    for element in list.elems.clone() {
        let place = element.clone();
        match one_signal(element) {
            Ok(Signal::Named(new)) if signals.iter().any(|old| old.is(&new)) => {
                problems
                    .add(Error::new_spanned(place, "this signal is in the list twice: remove one"));
            }
            Ok(signal) => signals.push(signal),
            Err(error) => problems.add(error),
        }
    }
    problems.into_result()?;
    Ok(Value::Signals(signals))
}

fn one_signal(expr: Expr) -> Result<Signal> {
    match literal(&expr) {
        None => Ok(Signal::Expr(expr)),
        Some(Lit::Str(text)) => match signal::variant(&without_suffix(text)?) {
            Ok(variant) => Ok(Signal::Named(Ident::new(variant, text.span()))),
            Err(message) => Err(Error::new(text.span(), message)),
        },
        Some(_) => {
            let message = "a signal is a name such as \"SIGTERM\", a list of names, or an \
                           expression of type `Signal`";
            Err(Error::new_spanned(expr, message))
        }
    }
}

impl Signal {
    fn is(&self, variant: &Ident) -> bool {
        matches!(self, Signal::Named(name) if name == variant)
    }
}

/// Refuses a suffix, as in `"5s"x`, which Rust allows in the arguments of a macro.
fn without_suffix(text: &LitStr) -> Result<String> {
    match text.suffix() {
        "" => Ok(text.value()),
        suffix => {
            let message = format!("a string has no suffix: remove `{suffix}` after the quotes");
            Err(Error::new(text.span(), message))
        }
    }
}

/// Returns the literal in an expression, even if it is negated.
fn literal(expr: &Expr) -> Option<&Lit> {
    match ungrouped(expr) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => literal(expr),
        _ => None,
    }
}

/// Removes the invisible groups around expressions that come from a user's macro.
fn ungrouped(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}
