//! Rewriting of the return type so that it is allowed inside a body.

use syn::{
    GenericArgument, Path, PathArguments, ReturnType, Type, TypeInfer, TypeParamBound, TypePath,
};

/// Replaces each `impl Trait` in the type by `_`, because only signatures may contain `impl Trait`.
pub(crate) fn without_impl_trait(mut ty: Type) -> Type {
    erase(&mut ty);
    ty
}

fn erase(ty: &mut Type) {
    match ty {
        Type::ImplTrait(hidden) => {
            let underscore_token = syn::Token![_](hidden.impl_token.span);
            *ty = Type::Infer(TypeInfer { attrs: Vec::new(), underscore_token });
        }
        Type::Array(array) => erase(&mut array.elem),
        Type::Group(group) => erase(&mut group.elem),
        Type::Paren(paren) => erase(&mut paren.elem),
        Type::Ptr(pointer) => erase(&mut pointer.elem),
        Type::Reference(reference) => erase(&mut reference.elem),
        Type::Slice(slice) => erase(&mut slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(erase),
        Type::Path(TypePath { qself, path, .. }) => {
            if let Some(qself) = qself {
                erase(&mut qself.ty);
            }
            erase_in_path(path);
        }
        Type::TraitObject(object) => {
            for bound in &mut object.bounds {
                if let TypeParamBound::Trait(bound) = bound {
                    erase_in_path(&mut bound.path);
                }
            }
        }
        _ => {}
    }
}

fn erase_in_path(path: &mut Path) {
    for segment in &mut path.segments {
        match &mut segment.arguments {
            PathArguments::None => {}
            PathArguments::AngleBracketed(generics) => {
                for argument in &mut generics.args {
                    match argument {
                        GenericArgument::Type(ty) => erase(ty),
                        GenericArgument::AssocType(assoc) => erase(&mut assoc.ty),
                        _ => {}
                    }
                }
            }
            PathArguments::Parenthesized(call) => {
                call.inputs.iter_mut().for_each(|input| erase(&mut input.ty));
                if let ReturnType::Type(_, output) = &mut call.output {
                    erase(output);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    #[track_caller]
    fn becomes(before: &str, after: &str) {
        let parse = |text| syn::parse_str::<Type>(text).unwrap();
        let erased = without_impl_trait(parse(before)).to_token_stream().to_string();
        assert_eq!(erased, parse(after).to_token_stream().to_string());
    }

    #[test]
    fn impl_trait_becomes_a_placeholder() {
        becomes("Result<impl Display + 'a, E>", "Result<_, E>");
        becomes(
            "io::Result<(u8, [impl A; 3], Vec<&'a impl B>)>",
            "io::Result<(u8, [_; 3], Vec<&'a _>)>",
        );
        becomes(
            "Result<Box<dyn Iterator<Item = impl A>>, E>",
            "Result<Box<dyn Iterator<Item = _>>, E>",
        );
        becomes("<X as Y<impl A>>::Z", "<X as Y<_>>::Z");
        becomes(
            "Result<Box<dyn Fn(&[impl A]) -> (impl B)>, *const impl C>",
            "Result<Box<dyn Fn(&[_]) -> (_)>, *const _>",
        );
    }

    #[test]
    fn other_types_stay() {
        for ty in
            ["Result<&'a [dyn Any], fn(u8) -> !>", "Self::Page<{ N + 1 }>", "made!(from this)"]
        {
            becomes(ty, ty);
        }
    }
}
