//! Parsing of the attribute's arguments.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Error, Path, Result, Token, token};

use crate::problems::Problems;
use crate::value::{Value, value};

/// List of the keys, for messages.
const KEYS: &str = "`timeout`, `deadline`, `token`, `signal`, `condition`, `source`, `name`, \
                    `registered`, `grace`, `stalled_after`, `strict` and `crate`";

/// The arguments of the attribute.
pub(crate) struct Args {
    /// Keys with a value, in the order in which they are written.
    pub(crate) given: Vec<Given>,
    /// Keys without a value: `registered` and `strict`.
    pub(crate) flags: Vec<Ident>,
    /// Path of the crate `cancelable`, if given.
    pub(crate) krate: Option<Path>,
}

/// A key and its value.
pub(crate) struct Given {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

/// One argument.
enum Arg {
    Given(Given),
    Flag(Ident),
    Crate(Ident, Path),
}

impl Args {
    /// Parses the arguments. The error reports all mistakes in them.
    pub(crate) fn parse(tokens: TokenStream) -> Result<Args> {
        Args::parse_all.parse2(tokens)
    }

    fn parse_all(input: ParseStream<'_>) -> Result<Args> {
        let mut args = Args { given: Vec::new(), flags: Vec::new(), krate: None };
        let mut problems = Problems::default();
        while !input.is_empty() {
            match input.parse::<Arg>().and_then(|arg| args.add(arg)) {
                Ok(()) => {}
                Err(error) => {
                    problems.add(error);
                    skip_to_comma(input)?;
                }
            }
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                problems.add(input.error("expected a comma before the next key"));
                skip_to_comma(input)?;
                let _comma: Option<Token![,]> = input.parse()?;
            }
        }
        problems.into_result()?;
        Ok(args)
    }

    /// Adds an argument. Only sources may be given several times.
    fn add(&mut self, arg: Arg) -> Result<()> {
        let (twice, key) = match arg {
            Arg::Given(Given { key, value }) => {
                let same = |given: &Given| !given.value.is_source() && given.key == key;
                let twice = self.given.iter().any(same);
                self.given.push(Given { key: key.clone(), value });
                (twice, key)
            }
            Arg::Flag(key) => {
                let twice = self.flags.contains(&key);
                self.flags.push(key.clone());
                (twice, key)
            }
            Arg::Crate(key, path) => (self.krate.replace(path).is_some(), key),
        };
        if twice {
            return Err(Error::new(key.span(), format_args!("`{key}` is given twice: remove one")));
        }
        Ok(())
    }
}

fn skip_to_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

impl Parse for Arg {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format_args!("expected a key: one of {KEYS}")));
        }
        let key = Ident::parse_any(input)?;
        let example = match key.to_string().as_str() {
            "timeout" => "timeout = \"30s\"",
            "deadline" => "deadline = end_of_request",
            "token" => "token = token",
            "signal" => "signal = \"SIGTERM\"",
            "condition" => "condition = || disk_is_full()",
            "source" => "source = any_source()",
            "name" => "name = \"fetch\"",
            "registered" | "strict" => return flag(key, input),
            "grace" => "grace = \"5s\"",
            "stalled_after" => "stalled_after = \"10s\"",
            "crate" => "crate = path::to::cancelable",
            _ => {
                let message = format!("there is no key `{key}`: the keys are {KEYS}");
                return Err(Error::new(key.span(), message));
            }
        };
        let missing = format!("`{key}` needs a value, such as `{example}`");
        if input.peek(Token![==]) || input.parse::<Token![=]>().is_err() {
            return Err(Error::new(key.span(), missing));
        }
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new(key.span(), missing));
        }
        if key == "crate" {
            let place = input.span();
            let path = Path::parse_mod_style(input);
            let message = "`crate` takes a path, such as `crate = path::to::cancelable`";
            return path.map(|path| Arg::Crate(key, path)).map_err(|_| Error::new(place, message));
        }
        let value = value(&key, input.parse()?)?;
        Ok(Arg::Given(Given { key, value }))
    }
}

/// Parses what follows a key that takes no value.
fn flag(key: Ident, input: ParseStream<'_>) -> Result<Arg> {
    // Any other token is reported later, as a next key without a comma before it.
    if !input.peek(Token![=]) && !input.peek(token::Paren) {
        return Ok(Arg::Flag(key));
    }
    let _equals: Option<Token![=]> = input.parse()?;
    let place = match input.fork().parse::<TokenTree>() {
        Ok(value) if !input.peek(Token![,]) => value.span(),
        _ => key.span(),
    };
    let message = format!("`{key}` takes no value: write it alone, or leave it out");
    Err(Error::new(place, message))
}
