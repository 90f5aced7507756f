//! The parameter of type `Operation`, which the attribute removes from the signature.

use syn::punctuated::Pair;
use syn::{Error, FnArg, GenericParam, PatType, PathArguments, Signature, Type};

use crate::problems::Problems;

/// Classification of a parameter by its type.
enum Kind {
    Handle,
    /// A reference to a handle: an error.
    Reference,
    Other,
}

/// Adds an error for each parameter that looks like the handle but cannot be it.
pub(crate) fn check(signature: &Signature, problems: &mut Problems) {
    let mut found = false;
    for parameter in typed(signature) {
        match kind(&parameter.ty, signature) {
            Kind::Handle if !found => found = true,
            Kind::Handle => {
                let message = "a second parameter of type `Operation`: the function has one handle; \
                               clone it instead";
                problems.add(Error::new_spanned(parameter, message));
            }
            Kind::Reference => {
                let message = "the handle is passed by value: write `Operation`. To take an \
                               operation from the caller, rename the type: `use \
                               cancelable::Operation as Handle;`";
                problems.add(Error::new_spanned(&parameter.ty, message));
            }
            Kind::Other => {}
        }
    }
}

/// Removes the handle's parameter from the signature and returns it, if there is one.
pub(crate) fn take(signature: &mut Signature) -> Option<PatType> {
    let is_handle = |input: &FnArg| match input {
        FnArg::Typed(parameter) => matches!(kind(&parameter.ty, signature), Kind::Handle),
        FnArg::Receiver(_) => false,
    };
    let index = signature.inputs.iter().position(is_handle)?;
    let mut taken = None;
    for (at, pair) in std::mem::take(&mut signature.inputs).into_pairs().enumerate() {
        match pair.into_tuple() {
            (FnArg::Typed(parameter), _) if at == index => taken = Some(parameter),
            (input, comma) => signature.inputs.extend([Pair::new(input, comma)]),
        }
    }
    taken
}

fn typed(signature: &Signature) -> impl Iterator<Item = &PatType> {
    signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter),
        FnArg::Receiver(_) => None,
    })
}

fn kind(ty: &Type, signature: &Signature) -> Kind {
    match ty {
        Type::Group(group) => kind(&group.elem, signature),
        Type::Paren(paren) => kind(&paren.elem, signature),
        Type::Reference(reference) => match kind(&reference.elem, signature) {
            Kind::Other => Kind::Other,
            Kind::Handle | Kind::Reference => Kind::Reference,
        },
        Type::Path(path) if path.qself.is_none() => {
            let Some(last) = path.path.segments.last() else { return Kind::Other };
            let is_named =
                last.ident == "Operation" && matches!(last.arguments, PathArguments::None);
            let own = path.path.segments.len() == 1 && has_type_of_its_own(signature);
            if is_named && !own { Kind::Handle } else { Kind::Other }
        }
        _ => Kind::Other,
    }
}

/// Returns whether the function has a type parameter named `Operation`.
fn has_type_of_its_own(signature: &Signature) -> bool {
    signature
        .generics
        .params
        .iter()
        .any(|parameter| matches!(parameter, GenericParam::Type(own) if own.ident == "Operation"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    /// Returns the signature without the parameter, and the parameter.
    fn taken(signature: &str) -> (String, Option<String>) {
        let mut signature: Signature = syn::parse_str(signature).unwrap();
        let parameter = take(&mut signature).map(|parameter| text(&parameter));
        (text(&signature), parameter)
    }

    fn text(tokens: &impl ToTokens) -> String {
        tokens.to_token_stream().to_string()
    }

    #[track_caller]
    fn takes(before: &str, parameter: &str, after: &str) {
        let after = text(&syn::parse_str::<Signature>(after).unwrap());
        let parameter: proc_macro2::TokenStream = parameter.parse().unwrap();
        assert_eq!(taken(before), (after, Some(parameter.to_string())));
    }

    #[track_caller]
    fn takes_nothing(signature: &str) {
        let same = text(&syn::parse_str::<Signature>(signature).unwrap());
        assert_eq!(taken(signature), (same, None));
    }

    #[test]
    fn at_any_place() {
        takes("async fn f(op: Operation) -> R", "op: Operation", "async fn f() -> R");
        takes("async fn f(op: Operation,) -> R", "op: Operation", "async fn f() -> R");
        takes("fn f(op: Operation, a: u8)", "op: Operation", "fn f(a: u8)");
        takes("fn f(a: u8, op: Operation)", "op: Operation", "fn f(a: u8,)");
        takes("fn f(&self, op: Operation, a: u8)", "op: Operation", "fn f(&self, a: u8)");
        takes("fn f(self: Arc<Self>, op: Operation)", "op: Operation", "fn f(self: Arc<Self>,)");
    }

    #[test]
    fn by_any_path_and_pattern() {
        takes("fn f(_: cancelable::Operation)", "_: cancelable::Operation", "fn f()");
        takes("fn f(mut op: ::a::Operation)", "mut op: ::a::Operation", "fn f()");
        takes("fn f(#[cfg(x)] op: (Operation))", "#[cfg(x)] op: (Operation)", "fn f()");
        takes("fn f<T>(op: a::Operation, t: T)", "op: a::Operation", "fn f<T>(t: T)");
        takes("fn f<Operation>(op: a::Operation)", "op: a::Operation", "fn f<Operation>()");
    }

    #[test]
    fn other_types_stay() {
        for ty in [
            "u32",
            "Operation<T>",
            "Option<Operation>",
            "operation::Handle",
            "<T as Trait>::Operation",
            "Operation::Id",
            "[Operation; 2]",
            "impl Operation",
            "dyn Operation",
            "fn(Operation)",
        ] {
            takes_nothing(&format!("fn f(a: {ty}, b: &mut {ty})"));
        }
        takes_nothing("fn f(self: Operation)");
        takes_nothing("fn f<Operation>(op: Operation)");
        takes_nothing("fn f<'a, const N: usize, Operation: Copy>(op: &Operation, a: Operation)");
    }

    #[track_caller]
    fn problems(signature: &str) -> usize {
        let mut problems = Problems::default();
        check(&syn::parse_str(signature).unwrap(), &mut problems);
        problems.into_result().err().into_iter().flatten().count()
    }

    #[test]
    fn mistakes() {
        assert_eq!(problems("fn f(&self, a: Operation, b: u32, c: &u32)"), 0);
        assert_eq!(problems("fn f(a: Operation, b: Operation, c: a::Operation)"), 2);
        assert_eq!(problems("fn f(a: &Operation, b: &mut &Operation, c: Operation)"), 2);
        assert_eq!(problems("fn f<Operation>(a: Operation, b: Operation, c: &Operation)"), 0);
    }
}
