// SPDX-License-Identifier: Apache-2.0
//! Messages to a prompt, by the model's own chat template.
//!
//! Templates are Jinja as `transformers` renders them: the variables `messages`, `add_generation_prompt`, `bos_token` and `eos_token`, the
//! function `raise_exception`, blocks trimmed, methods of Python strings and dictionaries. A template that inserts a default system prompt does so here as well.
//!
//! A template is bounded in size, in the steps it takes, in the widths and counts that it gives to a filter, and in the prompt it writes, whatever the
//! messages are; no value can hold itself, and a deeply nested one finds the stack that it needs; a panic of the template engine is an error.
//! What a template joins (`~`, `+`, `*`, `join`, `replace`) before it writes is not bounded, and a text that is doubled forty times fills any memory: a template is part of its model, and no safer than that.
mod bounds;
mod namespaces;

use crate::{
    artifact::{Artifact, ArtifactError, Description},
    model::{Model, TokenTable},
};
use ergon_primitives::manifest::{Manifest, MAX_CONTEXT};
use minijinja::{context, syntax::SyntaxConfig, Environment, ErrorKind, Value};
use serde::{Deserialize, Serialize};
use std::{io, thread};

/// Longest template, in bytes; published ones have up to about 20 000.
pub const MAX_TEMPLATE: usize = 1 << 18;
/// Longest prompt, in bytes: 128 for each position of the longest context.
pub const MAX_PROMPT: usize = 128 * MAX_CONTEXT as usize;
/// Most instructions of the template engine in one rendering; a message of a usual template takes about a hundred.
const MAX_STEPS: u64 = 1_000_000;

/// Bytes of the stack that the template engine runs on. Each step may put a value into another one, and the engine goes down a value by
/// calling itself. Pages that aren't touched take no memory.
const STACK: usize = 1 << 30;

/// One turn of a conversation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`, as the template knows them.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// What a user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::by("user", content)
    }

    /// How the assistant is to behave.
    pub fn system(content: impl Into<String>) -> Self {
        Self::by("system", content)
    }

    fn by(role: &str, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// Why messages make no prompt.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The model's template is no valid Jinja.
    #[error("the model's chat template is malformed: {0}")]
    Template(String),
    /// The template refuses the messages.
    #[error("the model's chat template refuses the messages: {0}")]
    Messages(String),
    /// The prompt would be too long.
    #[error("the prompt would have more than {MAX_PROMPT} bytes; send fewer or shorter messages")]
    TooLong,
    /// The template doesn't come to an end in a reasonable time.
    #[error("the model's chat template takes more than {MAX_STEPS} steps")]
    TooManySteps,
    /// The template engine has a defect, which the template brings out.
    #[error("the template engine failed on the model's chat template; please report the template as a defect")]
    Panicked,
    /// The system gives no thread for the template engine.
    #[error("no thread with a stack of {STACK} bytes can be started for the model's chat template, allow the process that address space: {0}")]
    Thread(#[source] io::Error),
    /// The artifact doesn't hold what it should.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// A chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// Template with the texts of the tokens that begin and end a sequence.
    pub fn new(source: &str, bos_token: &str, eos_token: &str) -> Result<Self, ChatError> {
        if source.len() > MAX_TEMPLATE {
            let size = source.len();
            return Err(ChatError::Template(format!(
                "it has {size} bytes, at most {MAX_TEMPLATE} may be"
            )));
        }
        let template = Self {
            source: source.into(),
            bos_token: bos_token.into(),
            eos_token: eos_token.into(),
        };
        let parsed = apart(|| {
            namespaces::check(source, syntax())?;
            template.environment().template_from_str(source).map(drop)
        })?;
        parsed.map_err(|error| ChatError::Template(error.to_string()))?;
        Ok(template)
    }

    /// Template of a model; `None` if it has none.
    pub fn of(model: &Model) -> Result<Option<Self>, ChatError> {
        let source = model.chat_template.as_deref();
        Self::with_tokens(source, &model.tokens, model.begin_of_sequence, &model.manifest)
    }

    /// Template of the model in an artifact, without reading any weights; `None` if it has none. The texts that it is made of are checked
    /// against the manifest.
    pub fn read(artifact: &Artifact) -> Result<Option<Self>, ChatError> {
        artifact.verify_texts()?;
        let Description {
            chat_template,
            begin_of_sequence,
            manifest,
            ..
        } = artifact.description();
        Self::with_tokens(
            chat_template.as_deref(),
            &artifact.tokens()?,
            *begin_of_sequence,
            manifest,
        )
    }

    fn with_tokens(
        source: Option<&str>,
        tokens: &TokenTable,
        begin_of_sequence: Option<u32>,
        manifest: &Manifest,
    ) -> Result<Option<Self>, ChatError> {
        let text = |id: Option<u32>| {
            id.and_then(|id| tokens.get(id))
                .map(String::from_utf8_lossy)
                .unwrap_or_default()
        };
        let (bos, eos) = (text(begin_of_sequence), text(manifest.end_of_sequence.first().copied()));
        source.map(|source| Self::new(source, &bos, &eos)).transpose()
    }

    fn environment(&self) -> Environment<'_> {
        let mut environment = Environment::new();
        environment.set_syntax(syntax());
        environment.set_fuel(Some(MAX_STEPS));
        bounds::bound(&mut environment);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<String, minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment
    }

    /// The prompt; with `add_generation_prompt` it ends where the assistant is to answer.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ChatError> {
        self.render_in(&self.environment(), messages, add_generation_prompt)
    }

    fn render_in(
        &self,
        environment: &Environment<'_>,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        let message =
            |message: &Message| context! { role => message.role.as_str(), content => message.content.as_str() };
        let variables = context! {
            messages => messages.iter().map(message).collect::<Vec<Value>>(),
            add_generation_prompt => add_generation_prompt,
            bos_token => self.bos_token.as_str(),
            eos_token => self.eos_token.as_str(),
        };
        let mut prompt = Prompt::default();
        let rendered = apart(|| {
            let template = environment.template_from_str(&self.source)?;
            template.render_captured_to(variables, &mut prompt).map(drop)
        });
        match rendered? {
            _ if prompt.too_long => Err(ChatError::TooLong),
            Ok(()) => String::from_utf8(prompt.bytes).map_err(|error| ChatError::Messages(error.to_string())),
            Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(ChatError::TooManySteps),
            Err(error) => Err(ChatError::Messages(error.to_string())),
        }
    }
}

fn syntax() -> SyntaxConfig {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    syntax.expect("the usual delimiters are valid")
}

/// Runs the template engine in a thread with a stack for the deepest value. After a panic nothing is used that it has touched.
fn apart<T: Send>(run: impl FnOnce() -> T + Send) -> Result<T, ChatError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("chat-template".into())
            .stack_size(STACK)
            .spawn_scoped(scope, run);
        let result = thread.map_err(ChatError::Thread)?.join();
        result.map_err(|_| ChatError::Panicked)
    })
}

/// Takes what a template writes, as long as it isn't too much.
#[derive(Default)]
struct Prompt {
    bytes: Vec<u8>,
    too_long: bool,
}

impl io::Write for Prompt {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + text.len() > MAX_PROMPT {
            self.too_long = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHATML: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
        {{ '<|im_start|>system\nBe kind<|im_end|>\n' }}{% endif %}\
        {{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}\
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    #[test]
    fn a_template_adds_its_system_prompt_only_where_there_is_none() {
        let template = ChatTemplate::new(CHATML, "", "").unwrap();
        let user = Message::user("Hi {{ 1 + 1 }}");
        assert_eq!(
            template.render(std::slice::from_ref(&user), true).unwrap(),
            "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHi {{ 1 + 1 }}<|im_end|>\n<|im_start|>assistant\n"
        );
        let system = Message {
            role: "system".into(),
            content: "Be brief".into(),
        };
        assert_eq!(
            template.render(&[system, user], false).unwrap(),
            "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nHi {{ 1 + 1 }}<|im_end|>\n"
        );
    }

    #[test]
    fn a_template_may_refuse_messages() {
        let template = ChatTemplate::new(
            "{% if messages[0].role != 'user' %}{{ raise_exception('user first') }}{% endif %}",
            "",
            "",
        );
        let messages = [Message {
            role: "system".into(),
            content: String::new(),
        }];
        let error = template.unwrap().render(&messages, true).unwrap_err();
        assert!(error.to_string().contains("user first"), "{error}");
    }

    #[test]
    fn a_template_knows_the_framing_tokens_and_methods_of_strings() {
        let template = ChatTemplate::new(
            "{{ bos_token }}{{ messages[0].content.strip() }}{{ eos_token }}",
            "<s>",
            "</s>",
        )
        .unwrap();
        assert_eq!(template.render(&[Message::user(" a ")], true).unwrap(), "<s>a</s>");
    }

    #[test]
    fn a_template_that_takes_too_many_steps_is_refused() {
        let template = ChatTemplate::new(
            "{% for i in range(100000) %}{% for j in range(100000) %}{{ j }}{% endfor %}{% endfor %}",
            "",
            "",
        );
        let error = template.unwrap().render(&[Message::user("Hi")], true).unwrap_err();
        assert!(matches!(error, ChatError::TooManySteps), "{error}");
    }

    #[test]
    fn a_prompt_that_would_be_too_long_is_refused() {
        let repeated = "{% for i in range(100) %}{{ messages[0].content }}{% endfor %}";
        let template = ChatTemplate::new(repeated, "", "").unwrap();
        let render = |size| template.render(&[Message::user("x".repeat(size))], true);
        assert_eq!(render(MAX_PROMPT / 100).unwrap().len(), MAX_PROMPT / 100 * 100);
        assert!(matches!(render(MAX_PROMPT / 100 + 1), Err(ChatError::TooLong)));
    }

    #[test]
    fn a_template_that_calls_itself_or_is_deeply_nested_is_refused() {
        let endless = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
        let error = ChatTemplate::new(endless, "", "")
            .unwrap()
            .render(&[], true)
            .unwrap_err();
        assert!(matches!(error, ChatError::Messages(_)), "{error}");
        let deep = format!("{{{{ {}1{} }}}}", "(".repeat(50_000), ")".repeat(50_000));
        assert!(matches!(ChatTemplate::new(&deep, "", ""), Err(ChatError::Template(_))));
        let long = " ".repeat(MAX_TEMPLATE + 1);
        assert!(matches!(ChatTemplate::new(&long, "", ""), Err(ChatError::Template(_))));
    }

    /// Nearly the deepest value that the steps allow, and what the template engine does with it by calling itself.
    #[test]
    fn a_deeply_nested_value_finds_the_stack_that_it_needs() {
        let (open, close) = ("[".repeat(60), "]".repeat(60));
        let rounds = MAX_STEPS as usize / 75;
        let deep = format!(
            "{{% set ns = namespace(x=[]) %}}{{% for i in range({rounds}) %}}{{% set ns.x = {open}ns.x{close} %}}{{% endfor %}}"
        );
        let brackets = 2 * (60 * rounds + 1);
        for (end, length) in [
            ("", 0),
            ("{{ ns.x }}", brackets),
            ("{{ ns.x ~ '' }}", brackets),
            ("{{ ns.x|tojson }}", brackets),
            ("{{ ns.x == [ns.x] }}", "False".len()),
            ("{{ [ns.x, [ns.x]]|sort|length }}", 1),
        ] {
            let template = ChatTemplate::new(&(deep.clone() + end), "", "").unwrap();
            assert_eq!(template.render(&[], true).unwrap().len(), length, "{end}");
        }
        for end in ["{{ ns.x|tojson(2) }}", "{{ ns.x|pprint }}", "{{ debug(ns.x) }}"] {
            let template = ChatTemplate::new(&(deep.clone() + end), "", "");
            let error = template.and_then(|template| template.render(&[], true)).unwrap_err();
            assert!(matches!(error, ChatError::Messages(_)), "{end}: {error}");
        }
    }

    #[test]
    fn a_value_that_would_hold_itself_is_refused() {
        let error = ChatTemplate::new("{% set n = namespace() %}{% set n.a = n %}{{ n }}", "", "").unwrap_err();
        assert!(matches!(error, ChatError::Template(_)), "{error}");
    }

    #[test]
    fn a_panic_of_the_template_engine_is_an_error() {
        let template = ChatTemplate::new("{{ defect() }}", "", "").unwrap();
        let mut environment = template.environment();
        environment.add_function("defect", || -> String { panic!("a defect") });
        let error = template.render_in(&environment, &[], true).unwrap_err();
        assert!(matches!(error, ChatError::Panicked), "{error}");
    }

    #[test]
    fn a_width_without_bound_is_refused() {
        let template = ChatTemplate::new("{{ messages[0].content|indent(9223372036854775807) }}", "", "").unwrap();
        let error = template.render(&[Message::user("Hi")], true).unwrap_err();
        assert!(matches!(error, ChatError::Messages(_)), "{error}");
    }

    #[test]
    fn a_broken_template_is_refused_at_once() {
        assert!(matches!(
            ChatTemplate::new("{% for %}", "", ""),
            Err(ChatError::Template(_))
        ));
    }
}
