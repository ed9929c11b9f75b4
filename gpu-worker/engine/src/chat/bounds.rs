// SPDX-License-Identifier: Apache-2.0
//! What a template may ask of one filter or method.
//!
//! `indent`, `tojson`, `batch` and `slice` take a number, and `format` a text with numbers, of which the template engine makes as many characters or
//! elements, in one step and without a bound of its own. Here such a number is at most [`MOST`].
//!
//! What is indented by its depth grows with the square of it, so it may be [`DEEPEST`] deep. `pprint` and `debug` indent whatever they get, and no
//! published template uses them: they are gone.
use minijinja::{
    filters,
    value::{Rest, ValueKind, ValueOrKwargs},
    Environment, Error, ErrorKind, State, Value,
};
use minijinja_contrib::pycompat::unknown_method_callback;
use std::fmt::Display;

/// Largest number, of three digits; texts are indented by two or four.
const MOST: u16 = 999;

/// Deepest value that is written with indentation; messages and tools have about ten levels.
const DEEPEST: usize = 64;
/// Most elements of one.
const MOST_ELEMENTS: usize = 100_000;

/// Replaces the filters and methods that aren't bounded.
pub(super) fn bound(environment: &mut Environment<'_>) {
    let filters = [
        ("indent", Value::from_function(filters::indent)),
        ("tojson", Value::from_function(filters::tojson)),
        ("batch", Value::from_function(filters::batch)),
        ("slice", Value::from_function(filters::slice)),
    ];
    for (name, filter) in filters {
        environment.add_filter(name, move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
            let arguments = arguments.into_values();
            arguments.iter().skip(1).try_for_each(check_number)?;
            if let ("tojson", [value, _, ..]) = (name, &arguments[..]) {
                check_depth(value)?;
            }
            filter.call(state, &arguments)
        });
    }
    environment.remove_filter("pprint");
    environment.remove_global("debug");
    let format = Value::from_function(filters::format);
    environment.add_filter("format", move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
        let arguments = arguments.into_values();
        let text = arguments.first().and_then(Value::as_str).unwrap_or_default();
        printf_numbers(text).try_for_each(check_digits)?;
        format.call(state, &arguments)
    });
    environment.set_unknown_method_callback(|state, value, method, arguments| {
        if method == "format" {
            format_numbers(value.as_str().unwrap_or_default()).try_for_each(check_digits)?;
        }
        unknown_method_callback(state, value, method, arguments)
    });
}

/// Refuses a number, or a keyword argument, that is too large.
fn check_number(argument: &Value) -> Result<(), Error> {
    if argument.is_kwargs() {
        return argument
            .try_iter()?
            .try_for_each(|key| check_number(&argument.get_item(&key)?));
    }
    match f64::try_from(argument.clone()) {
        Ok(number) if number > MOST.into() => Err(too_large(argument)),
        _ => Ok(()),
    }
}

/// Refuses a value that is too deep, or too large to see that.
fn check_depth(value: &Value) -> Result<(), Error> {
    let mut level = vec![value.clone()];
    let mut elements = 0;
    for _ in 0..DEEPEST {
        let mut next = vec![];
        for value in level {
            if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
                continue;
            }
            for item in value.try_iter()? {
                elements += 1;
                if elements > MOST_ELEMENTS {
                    return Err(too_deep());
                }
                // A map gives its keys.
                next.push(match value.kind() {
                    ValueKind::Map => value.get_item(&item)?,
                    _ => item,
                });
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        level = next;
    }
    Err(too_deep())
}

fn too_deep() -> Error {
    let message = format!(
        "a value is written with indentation only if it is at most {DEEPEST} deep and has at most {MOST_ELEMENTS} elements"
    );
    Error::new(ErrorKind::InvalidOperation, message)
}

/// What may be a width or a precision of a printf-style format: `%(key)-08.3f`.
fn printf_numbers(text: &str) -> impl Iterator<Item = &str> {
    // A key may hold a percent sign, and ends with the first parenthesis.
    let specs = text.split('%').skip(1).flat_map(|field| field.split(')'));
    specs.flat_map(|spec| {
        let numbers = spec.trim_start_matches(['#', '0', '-', ' ', '+']);
        let end = numbers.find(|c: char| !c.is_ascii_digit() && c != '.');
        numbers[..end.unwrap_or(numbers.len())].split('.')
    })
}

/// What may be a width or a precision of a Python format: `{key:*>8.3f}`.
fn format_numbers(text: &str) -> impl Iterator<Item = &str> {
    // A brace may also fill up the width.
    let fields = text.split('{').skip(1);
    let fields = fields.map(|field| field.rsplit_once('}').map_or(field, |(field, _)| field));
    fields.flat_map(|field| field.split(|c: char| !c.is_ascii_digit()))
}

fn check_digits(digits: &str) -> Result<(), Error> {
    // Whatever is no number is short.
    match digits.trim_start_matches('0').len() {
        0..=3 => Ok(()),
        _ => Err(too_large(digits)),
    }
}

fn too_large(number: impl Display) -> Error {
    let message = format!("{number} is too large for a width, a precision or a count, at most {MOST} may be");
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> Result<String, Error> {
        let mut environment = Environment::new();
        bound(&mut environment);
        environment.render_str(template, ())
    }

    #[test]
    fn usual_widths_are_as_without_bounds() {
        for (template, expected) in [
            ("{{ 'a\nb'|indent }}", "a\n    b"),
            ("{{ 'a\nb'|indent(2, true) }}", "  a\n  b"),
            ("{{ 'a\nb'|indent(width=1) }}", "a\n b"),
            ("{{ {'a': 1}|tojson }}", "{\"a\": 1}"),
            ("{{ {'a': 1}|tojson(indent=2) }}", "{\n  \"a\": 1\n}"),
            (
                "{{ {'a': ['bc', {'d': none}]}|tojson(1) }}",
                "{\n \"a\": [\n  \"bc\",\n  {\n   \"d\": null\n  }\n ]\n}",
            ),
            ("{{ [1, 2, 3]|batch(2)|list }}", "[[1, 2], [3]]"),
            ("{{ [1, 2, 3]|slice(2)|list }}", "[[1, 2], [3]]"),
            (
                "{{ 'In 2024 %s: %05d%%, %.2f'|format(123456, 42, 0.125) }}",
                "In 2024 123456: 00042%, 0.12",
            ),
            (
                "{{ '{} in 2024: {:>4}{:*<5}'.format(123456, 1, 'a') }}",
                "123456 in 2024:    1a****",
            ),
            ("{{ ' a '.strip() }}", "a"),
        ] {
            assert_eq!(render(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_is_too_deep_or_too_large_is_not_indented() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(render(&format!("{{{{ {}|tojson(1) }}}}", nested(DEEPEST))).is_ok());
        for template in [
            format!("{{% set a = {} %}}{{{{ [a]|tojson(1) }}}}", nested(DEEPEST)),
            format!(
                "{{% set a = {} %}}{{{{ {{'b': a}}|tojson(indent=1) }}}}",
                nested(DEEPEST)
            ),
            format!("{{{{ [range({0}), 1]|tojson(1) }}}}", MOST_ELEMENTS - 1),
        ] {
            let error = render(&template).unwrap_err().to_string();
            assert!(error.contains("written with indentation"), "{error}");
        }
    }

    #[test]
    fn numbers_that_would_fill_the_memory_are_refused() {
        for template in [
            "{{ 'a'|indent(9223372036854775807) }}",
            "{{ 'a'|indent(1000) }}",
            "{{ 'a'|indent(width=1e18) }}",
            "{{ ['a']|map('indent', 1e18)|list }}",
            "{{ {'a': 1}|tojson(indent=1e18) }}",
            "{{ {'a': 1}|tojson(1e18) }}",
            "{{ [1]|batch(1e18, 'a') }}",
            "{{ [1]|slice(1e18) }}",
            "{{ '%999999999999s'|format(1) }}",
            "{{ '% -01000s'|format(1) }}",
            "{{ '%.999999999999f'|format(1.5) }}",
            "{{ '%(a%b)999999999999s and (a)'|format(1) }}",
            "{{ '{:>999999999999}'.format(1) }}",
            "{{ '{:}>999999999999}'.format(1) }}",
            "{{ '{:{>999999999999}'.format(1) }}",
            "{{ '{:.999999999999f}'.format(1.5) }}",
        ] {
            let error = render(template).unwrap_err().to_string();
            assert!(error.contains("too large for a width"), "{template}: {error}");
        }
    }
}
