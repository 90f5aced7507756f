//! The values of the keys.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{Error, Expr, ExprLit, ExprUnary, Lit, LitStr, Result, UnOp};

use crate::args::Problems;
use crate::{duration, signal};

/// What a key is set to.
pub(crate) enum Value {
    /// A timeout that is known now.
    Limit(Duration),
    Timeout(Expr),
    Deadline(Expr),
    Token(Expr),
    /// A signal, or any of several.
    Signals(Vec<Signal>),
    Condition(Expr),
    Source(Expr),
    /// What the operation is called.
    Name(Expr),
    /// A grace period that is known now.
    Grace(Duration),
    GraceOf(Expr),
}

pub(crate) enum Signal {
    /// The name of the variant, at the place of the text.
    Named(Ident),
    Expr(Expr),
}

impl Value {
    /// Whether it is a source: they come as often as one likes.
    pub(crate) fn is_source(&self) -> bool {
        !matches!(self, Value::Name(_) | Value::Grace(_) | Value::GraceOf(_))
    }
}

/// Reads what that key, which takes a value, is set to.
pub(crate) fn value(key: &Ident, expr: Expr) -> Result<Value> {
    match key.to_string().as_str() {
        "timeout" => limit(expr),
        "deadline" => deadline(expr),
        "token" => Ok(Value::Token(expr)),
        "signal" => signals(expr),
        "condition" => Ok(Value::Condition(expr)),
        "name" => name(expr),
        "grace" => grace(expr),
        _ => Ok(Value::Source(expr)),
    }
}

fn limit(expr: Expr) -> Result<Value> {
    match literal(&expr) {
        None => Ok(Value::Timeout(expr)),
        Some(Lit::Str(text)) => length(text, &duration::LIMIT).map(Value::Limit),
        Some(_) => {
            let message = "a time limit is a text with its unit, such as \"30s\", or an expression \
                           of type `Duration`";
            Err(Error::new_spanned(expr, message))
        }
    }
}

fn grace(expr: Expr) -> Result<Value> {
    match literal(&expr) {
        None => Ok(Value::GraceOf(expr)),
        Some(Lit::Str(text)) => length(text, &duration::GRACE).map(Value::Grace),
        Some(_) => {
            let message = "a grace period is a text with its unit, such as \"5s\", or an \
                           expression of type `Duration`";
            Err(Error::new_spanned(expr, message))
        }
    }
}

fn length(text: &LitStr, words: &duration::Words) -> Result<Duration> {
    duration::parse(&text.value(), words).map_err(|sentence| Error::new(text.span(), sentence))
}

fn deadline(expr: Expr) -> Result<Value> {
    if literal(&expr).is_some() {
        let message = "a deadline is an expression of type `Instant`; for a length of time write \
                       `timeout = \"30s\"`";
        return Err(Error::new_spanned(expr, message));
    }
    Ok(Value::Deadline(expr))
}

fn name(expr: Expr) -> Result<Value> {
    match literal(&expr) {
        None | Some(Lit::Str(_)) => Ok(Value::Name(expr)),
        Some(_) => {
            let message = "a name is a text such as \"fetch\", or an expression of type `String` \
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
        return Err(Error::new_spanned(list, "this list names no signal"));
    }
    let mut problems = Problems(None);
    let mut signals: Vec<Signal> = Vec::new();
    for element in list.elems.clone() {
        let place = element.clone();
        match one_signal(element) {
            Ok(Signal::Named(new)) if signals.iter().any(|old| old.is(&new)) => {
                problems.add(Error::new_spanned(place, "this list names that signal twice"));
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
        Some(Lit::Str(text)) => match signal::variant(&text.value()) {
            Ok(variant) => Ok(Signal::Named(Ident::new(variant, text.span()))),
            Err(sentence) => Err(Error::new(text.span(), sentence)),
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

/// The literal that an expression is, also where it is negative.
fn literal(expr: &Expr) -> Option<&Lit> {
    match ungrouped(expr) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => literal(expr),
        _ => None,
    }
}

/// What is passed on by a macro of the user comes in groups that nobody sees.
fn ungrouped(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}
