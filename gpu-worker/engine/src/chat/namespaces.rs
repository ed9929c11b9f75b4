// SPDX-License-Identifier: Apache-2.0
//! What keeps a value of a template from holding itself.
//!
//! Attributes of a namespace can be set at any time, so it could come to hold itself, and the template engine would go round in it until the stack
//! is used up. Templates keep texts and flags in namespaces, never other namespaces. So a variable with an attribute that is set
//! (`{% set ns.found = true %}`) may only be made by `{% set ns = namespace(...) %}` and then be used by its attributes: nothing else ever holds what it stands for.
use minijinja::{
    machinery::{tokenize, Token},
    syntax::SyntaxConfig,
    Error, ErrorKind,
};
use std::collections::BTreeSet;

/// Refuses a template whose namespaces might hold themselves.
pub(super) fn check(source: &str, syntax: SyntaxConfig) -> Result<(), Error> {
    let tokens = tokenize(source, false, syntax).map(|token| Ok(token?.0));
    let tokens = tokens.collect::<Result<Vec<_>, Error>>()?;
    let assigned = assigned(&tokens)?;
    for (i, token) in tokens.iter().enumerate() {
        let Token::Ident(name) = token else { continue };
        let attribute = i > 0 && matches!(tokens[i - 1], Token::Dot);
        let of_attribute = matches!(tokens.get(i + 1), Some(Token::Dot | Token::BracketOpen));
        if assigned.contains(name) && !attribute && !of_attribute && !is_made(&tokens, i) {
            return Err(refusal(name));
        }
    }
    Ok(())
}

/// Variables with attributes that are set.
fn assigned<'a>(tokens: &[Token<'a>]) -> Result<BTreeSet<&'a str>, Error> {
    let mut names = BTreeSet::new();
    for (i, window) in tokens.windows(2).enumerate() {
        if !matches!(window, [Token::BlockStart, Token::Ident("set")]) {
            continue;
        }
        let end = |token: &&Token<'_>| !matches!(token, Token::Assign | Token::Pipe | Token::BlockEnd);
        let targets: Vec<_> = tokens[i + 2..].iter().take_while(end).collect();
        for (j, target) in targets.iter().enumerate() {
            match (target, targets.get(j + 1), targets.get(j + 3)) {
                // An attribute of an attribute could be any namespace's.
                (Token::Ident(name), Some(Token::Dot), Some(Token::Dot)) => return Err(refusal(name)),
                (Token::Ident(name), Some(Token::Dot), _) => drop(names.insert(*name)),
                _ => {}
            }
        }
    }
    Ok(names)
}

/// Whether the variable at `i` is made there, as a namespace of its own: `{% set ns = namespace(...) %}`.
fn is_made(tokens: &[Token<'_>], i: usize) -> bool {
    let set = i >= 2 && matches!(tokens[i - 2..i], [Token::BlockStart, Token::Ident("set")]);
    let Some([Token::Assign, Token::Ident("namespace"), Token::ParenOpen, arguments @ ..]) = tokens.get(i + 1..) else {
        return false;
    };
    let mut open = 1;
    let end = arguments.iter().position(|token| {
        match token {
            Token::ParenOpen => open += 1,
            Token::ParenClose => open -= 1,
            _ => {}
        }
        open == 0
    });
    set && end.is_some_and(|end| matches!(arguments.get(end + 1), Some(Token::BlockEnd)))
}

fn refusal(name: &str) -> Error {
    let message = format!(
        "the namespace {name:?} may only be made by `{{% set {name} = namespace(...) %}}` and be used by its attributes, of which none may be set deeper"
    );
    Error::new(ErrorKind::SyntaxError, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_of_texts_and_flags_are_as_usual() {
        for template in [
            "{%- set ns = namespace(found=false, system_prompt='') -%}{% for m in messages %}{% if not ns.found %}{% set ns.found = true %}\
             {% set ns.system_prompt = ns['system_prompt'] + m.content %}{% endif %}{% endfor %}{{ ns.system_prompt }}",
            "{% set ns = namespace(last=(messages|length) - 1, all=[]) %}{% set ns.all = ns.all + [messages[ns.last]] %}",
            "{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ other.ns }}{{ 'ns' }} ns {# ns #}",
            "{% set constant = namespace(a=1) %}{{ constant }}{{ [constant] }}",
        ] {
            assert_eq!(check(template, SyntaxConfig::default()).err().map(|e| e.to_string()), None, "{template}");
        }
    }

    #[test]
    fn a_namespace_that_could_hold_itself_is_refused() {
        for template in [
            "{% set n = namespace() %}{% set n.a = n %}",
            "{% set n = namespace() %}{% set m = [n] %}{% set n.a = m %}",
            "{% set n = namespace() %}{% set m = namespace(b=n) %}{% set n.a = m.b %}",
            "{% set n = namespace(a=namespace()) %}{% set n.a.b = n.a %}",
            "{% set y = namespace(z=namespace()) %}{% set n = namespace() if false else y.z %}{% set n.a = y %}",
            "{% set y = namespace(z=namespace()) %}{% set n = y.z %}{% set n.a = y %}",
            "{% for n in [namespace()] %}{% set n.a = n %}{% endfor %}",
            "{% with n = namespace() %}{% set n.a = n %}{% endwith %}",
            "{% macro f(n, m) %}{% set n.a = m %}{% endmacro %}{% set x = namespace() %}{{ f(x, x) }}",
            "{% set (n.a, b) = (n, 1) %}",
            "{% set n = namespace() %}{%+ set n.a %}{{ n }}{% endset %}",
        ] {
            let error = check(template, SyntaxConfig::default()).unwrap_err();
            assert!(
                error.to_string().contains("used by its attributes"),
                "{template}: {error}"
            );
        }
    }
}
