//! The function that the attribute stands on.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Error, LitStr, Path, PathArguments, Result, ReturnType, Safety, Signature, Token,
    Type, TypePath, Visibility, braced, token,
};

use crate::args::Problems;
use crate::parameter;

/// An `async fn`, free or in an `impl`. Its body is left as it is, unread.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) braces: token::Brace,
    /// Those of the form `#![..]`, at the start of the body.
    pub(crate) inner_attributes: Vec<Attribute>,
    pub(crate) body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        if !is_function(input) {
            return Err(input.error("`#[cancelable]` goes on an `async fn`"));
        }
        let signature: Signature = input.parse()?;
        if let Some(semicolon) = input.parse::<Option<Token![;]>>()? {
            let message = "`#[cancelable]` goes on a function with a body: in a trait, put it on \
                           the functions of the implementations";
            return Err(Error::new(semicolon.span, message));
        }
        let content;
        let braces = braced!(content in input);
        let inner_attributes = content.call(Attribute::parse_inner)?;
        let body = content.parse()?;
        Ok(Function { attributes, visibility, signature, braces, inner_attributes, body })
    }
}

/// Whether `fn` comes after nothing but what may stand before it.
fn is_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    while !ahead.peek(Token![fn]) {
        let qualifier = ahead.peek(Token![const])
            || ahead.peek(Token![async])
            || ahead.peek(Token![unsafe])
            || ahead.peek(Token![extern])
            || ahead.peek(LitStr);
        if !qualifier || ahead.parse::<TokenTree>().is_err() {
            return false;
        }
    }
    true
}

impl Function {
    /// Adds all that keeps this function from being made cancelable.
    pub(crate) fn check(&self, problems: &mut Problems) {
        let signature = &self.signature;
        if signature.asyncness.is_none() {
            let message = "`#[cancelable]` goes on an `async fn`; it must stand above attributes \
                           that make another function of one";
            problems.add(Error::new(signature.fn_token.span, message));
        }
        if let Safety::Unsafe(token) = &signature.safety {
            let message = "an `unsafe fn` cannot be cancelable: what its caller promises may not \
                           hold where a cancelled run ends";
            problems.add(Error::new(token.span, message));
        }
        if let Some(abi) = &signature.abi {
            let message = "an `extern` function cannot be cancelable: only Rust has an ABI for \
                           futures";
            problems.add(Error::new_spanned(abi, message));
        }
        if let Some(constness) = &signature.constness {
            problems.add(Error::new(constness.span, "a `const fn` cannot be cancelable"));
        }
        parameter::check(signature, problems);
        self.check_output(problems);
    }

    /// Finds the return types that are no `Result` whatever their names mean.
    fn check_output(&self, problems: &mut Problems) {
        let needs = "a cancelable function returns a `Result`, whose error type is `Cancelled` or \
                     implements `From<Cancelled>`";
        match &self.signature.output {
            ReturnType::Default => {
                let place = self.signature.paren_token.span.close();
                problems.add(Error::new(place, needs));
            }
            ReturnType::Type(_, output) => match output_kind(output) {
                Output::MayBeResult => {}
                Output::Hidden => {
                    let message = format!("{needs}: write `Result<impl .., ..>`");
                    problems.add(Error::new_spanned(output, message));
                }
                Output::Never => problems.add(Error::new_spanned(output, needs)),
            },
        }
    }
}

enum Output {
    MayBeResult,
    Hidden,
    Never,
}

fn output_kind(output: &Type) -> Output {
    match output {
        Type::Group(group) => output_kind(&group.elem),
        Type::Paren(paren) => output_kind(&paren.elem),
        Type::Path(TypePath { qself: None, path, .. }) if is_well_known(path) => Output::Never,
        Type::Path(_) | Type::Macro(_) | Type::Verbatim(_) => Output::MayBeResult,
        Type::ImplTrait(_) => Output::Hidden,
        _ => Output::Never,
    }
}

/// The primitive types and `String`.
const PLAIN: [&str; 18] = [
    "bool", "char", "str", "String", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16",
    "i32", "i64", "i128", "isize", "f32", "f64",
];

/// Types of other types.
const GENERIC: [&str; 3] = ["Option", "Vec", "Box"];

/// Whether this names a type of the standard library that is no `Result`. Any other name may be an
/// alias of one, also `Option` in a module of the user.
fn is_well_known(path: &Path) -> bool {
    let (Some(first), Some(last)) = (path.segments.first(), path.segments.last()) else {
        return false;
    };
    let of_std = ["std", "core", "alloc"].iter().any(|krate| first.ident == krate);
    if path.segments.len() > 1 && !of_std {
        return false;
    }
    match &last.arguments {
        PathArguments::None => PLAIN.iter().any(|name| last.ident == name),
        PathArguments::AngleBracketed(_) => GENERIC.iter().any(|name| last.ident == name),
        PathArguments::Parenthesized(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_never(ty: &str) -> bool {
        match output_kind(&syn::parse_str(ty).unwrap()) {
            Output::Never => true,
            Output::MayBeResult => false,
            Output::Hidden => panic!("{ty} is hidden"),
        }
    }

    #[test]
    fn what_is_no_result() {
        for ty in [
            "Option<u32>",
            "std::option::Option<Result<u32, Cancelled>>",
            "::core::option::Option<u32>",
            "Vec<Result<u32, Cancelled>>",
            "alloc::boxed::Box<dyn Any>",
            "String",
            "std::string::String",
            "core::primitive::u8",
            "bool",
            "f64",
            "()",
            "(Result<u32, Cancelled>, u32)",
            "&Result<u32, Cancelled>",
            "&'static str",
            "[u8; 4]",
            "[u8]",
            "!",
            "*const u8",
            "fn() -> Result<u32, Cancelled>",
            "dyn Any",
            "(Option<u32>)",
        ] {
            assert!(is_never(ty), "{ty}");
        }
    }

    #[test]
    fn what_may_be_a_result() {
        for ty in [
            "Result<u32, Cancelled>",
            "Result<Option<u32>, Cancelled>",
            "std::result::Result<(), Cancelled>",
            "io::Result<u32>",
            "std::io::Result<()>",
            "fmt::Result",
            "anyhow::Result<String>",
            "MyResult",
            "Answer<Vec<u8>>",
            "Self::Answer",
            "T",
            "<T as Trait>::Option<u32>",
            "<T as Trait>::String",
            "Self::Option<u32>",
            "mine::Option<u32>",
            "mine::String",
            "Option",
            "String<u32>",
            "made!(here)",
            "(Result<u32, Cancelled>)",
        ] {
            assert!(!is_never(ty), "{ty}");
        }
    }
}
