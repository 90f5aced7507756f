//! Parsing and checking of the function that has the attribute.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{
    AssocType, Attribute, Error, GenericArgument, LitStr, Path, PathArguments, PathSegment, Result,
    ReturnType, Safety, Signature, Token, Type, TypeParamBound, TypePath, Visibility, braced,
    token,
};

use crate::parameter;
use crate::problems::Problems;

/// A free `async fn`, an `async fn` in an `impl`, or a function that returns a boxed `async` block. The body is not parsed.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) braces: token::Brace,
    /// Attributes of the form `#![..]` at the start of the body.
    pub(crate) inner_attributes: Vec<Attribute>,
    /// The statements to race: the body, or the inside of the boxed `async` block.
    pub(crate) body: TokenStream,
    /// Set if the body is `Box::pin(async move { .. })`, as `#[async_trait]` writes it.
    pub(crate) boxed: Option<Boxed>,
}

/// The function that a boxed `async` block is passed to, and the block's output.
pub(crate) struct Boxed {
    /// The tokens before the parentheses: `Box::pin`.
    pub(crate) call: TokenStream,
    pub(crate) output: Type,
}

impl Boxed {
    /// Recognizes a body `Box::pin(async move { .. })` of a function that returns a
    /// `Pin<Box<dyn Future<Output = ..>>>`. Also returns the inside of the `async` block.
    fn find(signature: &Signature, body: &TokenStream) -> Option<(Boxed, TokenStream)> {
        let (None, ReturnType::Type(_, output)) = (&signature.asyncness, &signature.output) else {
            return None;
        };
        let future = only_type_argument(last_segment(output, "Pin")?)?;
        let Type::TraitObject(future) = only_type_argument(last_segment(future, "Box")?)? else {
            return None;
        };
        let output = future.bounds.iter().find_map(|bound| match bound {
            TypeParamBound::Trait(bound) => output_of(bound.path.segments.last()?),
            _ => None,
        })?;

        let mut call: Vec<TokenTree> = body.clone().into_iter().collect();
        let block = match call.pop()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => group,
            _ => return None,
        };
        let block: Vec<TokenTree> = block.stream().into_iter().collect();
        match &block[..] {
            [TokenTree::Ident(first), TokenTree::Ident(second), TokenTree::Group(body)]
                if first == "async" && second == "move" && body.delimiter() == Delimiter::Brace =>
            {
                let boxed = Boxed { call: call.into_iter().collect(), output: output.clone() };
                Some((boxed, body.stream()))
            }
            _ => None,
        }
    }
}

fn last_segment<'a>(ty: &'a Type, name: &str) -> Option<&'a PathSegment> {
    match ty {
        Type::Group(group) => last_segment(&group.elem, name),
        Type::Path(ty) => ty.path.segments.last().filter(|segment| segment.ident == name),
        _ => None,
    }
}

fn only_type_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(generics) = &segment.arguments else { return None };
    match generics.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// Returns the type `T` in `Future<Output = T>`.
fn output_of(future: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(generics) = &future.arguments else { return None };
    generics.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(AssocType { ident, ty, .. })
            if future.ident == "Future" && ident == "Output" =>
        {
            Some(ty)
        }
        _ => None,
    })
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        if !is_function(input) {
            return Err(input.error("`#[cancelable]` needs an `async fn`"));
        }
        let signature: Signature = input.parse()?;
        if let Some(semicolon) = input.parse::<Option<Token![;]>>()? {
            let message = "`#[cancelable]` needs a function with a body: in a trait, put it on the \
                           functions of the implementations";
            return Err(Error::new(semicolon.span, message));
        }
        let content;
        let braces = braced!(content in input);
        let inner_attributes = content.call(Attribute::parse_inner)?;
        let body: TokenStream = content.parse()?;
        let (boxed, body) = match Boxed::find(&signature, &body) {
            Some((boxed, inside)) => (Some(boxed), inside),
            None => (None, body),
        };
        Ok(Function { attributes, visibility, signature, braces, inner_attributes, body, boxed })
    }
}

/// Returns whether the next tokens are qualifiers of a function and `fn`.
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
    /// Returns the type that the future of this function resolves to. `None` stands for `()`.
    pub(crate) fn output(&self) -> Option<&Type> {
        match (&self.boxed, &self.signature.output) {
            (Some(boxed), _) => Some(&boxed.output),
            (None, ReturnType::Type(_, output)) => Some(output),
            (None, ReturnType::Default) => None,
        }
    }

    /// Adds an error for everything that prevents this function from being cancelable.
    pub(crate) fn check(&self, problems: &mut Problems) {
        let signature = &self.signature;
        if signature.asyncness.is_none() && self.boxed.is_none() {
            let message = "`#[cancelable]` needs an `async fn`; put it above attributes that turn an \
                           `async fn` into another function, such as `#[tokio::main]`";
            problems.add(Error::new(signature.fn_token.span, message));
        }
        if let Safety::Unsafe(token) = &signature.safety {
            let message = "an `unsafe fn` cannot be cancelable: it may rely on running to its end";
            problems.add(Error::new(token.span, message));
        }
        if let Some(abi) = &signature.abi {
            let message = "an `extern` function cannot be cancelable: only Rust has an ABI for \
                           futures";
            problems.add(Error::new_spanned(abi, message));
        }
        if let Some(constness) = &signature.constness {
            problems.add(Error::new(
                constness.span,
                "a `const fn` cannot be cancelable: remove `const`",
            ));
        }
        parameter::check(signature, problems);
        self.check_output(problems);
    }

    /// Reports return types that cannot be a `Result`.
    fn check_output(&self, problems: &mut Problems) {
        let needs = "a cancelable function returns a `Result`, whose error type is `Cancelled` or \
                     implements `From<Cancelled>`";
        match self.output() {
            None => {
                let place = self.signature.paren_token.span.close();
                problems.add(Error::new(place, needs));
            }
            Some(output) => match output_kind(output) {
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

/// Primitive types and `String`.
const PLAIN: [&str; 18] = [
    "bool", "char", "str", "String", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16",
    "i32", "i64", "i128", "isize", "f32", "f64",
];

/// Generic types that are not a `Result`.
const GENERIC: [&str; 3] = ["Option", "Vec", "Box"];

/// Returns whether the path names a type of the standard library that is not a `Result`. Any other path may be an alias of a
/// `Result`, even `mine::Option`.
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
    fn not_a_result() {
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
    fn may_be_a_result() {
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

    #[track_caller]
    fn boxed(output: &str, body: &str) -> Option<(String, String)> {
        let text = format!("fn f<'a>(&'a self) -> {output} {{ {body} }}");
        let function: Function = syn::parse_str(&text).unwrap();
        let text = |tokens: &dyn quote::ToTokens| tokens.to_token_stream().to_string();
        function.boxed.map(|boxed| (text(&boxed.call), text(&boxed.output)))
    }

    #[test]
    fn boxed_async_block() {
        let future = "Pin<Box<dyn Future<Output = Result<u8, E>> + Send + 'a>>";
        let full = "::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<u8, E>> + 'a>>";
        for output in [future, full] {
            let found = boxed(output, "Box::pin(async move { 1 })");
            assert_eq!(found, Some(("Box :: pin".into(), "Result < u8 , E >".into())));
            assert_eq!(boxed(output, "let x = 1; Box::pin(x)"), None);
            assert_eq!(boxed(output, "Box::pin(async { 1 })"), None);
        }
        assert_eq!(boxed("Pin<Box<u8>>", "Box::pin(async move { 1 })"), None);
        assert_eq!(boxed("Box<dyn Future<Output = u8>>", "Box::new(async move { 1 })"), None);
    }
}
