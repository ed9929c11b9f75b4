// SPDX-License-Identifier: Apache-2.0
//! What is refused.
use super::*;
use ergon_primitives::request::SettingsError;

#[test]
fn a_full_queue_is_busy_until_there_is_room() {
    let backend = backend();
    let mut rig = Rig::new(
        &*backend,
        8,
        Config {
            most_waiting: 2,
            ..CONFIG
        },
    );
    let submit = |rig: &Rig| rig.submit(request(&[1, 2], 3, 1));
    let (first, _second) = (submit(&rig).unwrap(), submit(&rig).unwrap());
    assert_eq!(submit(&rig).err(), Some(SubmitError::Busy { waiting: 2 }));
    first.cancel();
    let _third = submit(&rig).unwrap();
    assert_eq!(submit(&rig).err(), Some(SubmitError::Busy { waiting: 2 }));
    rig.step();
    assert!(submit(&rig).is_ok());
}

#[test]
fn what_can_not_be_answered_is_refused_with_the_numbers() {
    let backend = backend();
    let page = page_bytes(backend.model().dimensions());
    let config = Config {
        kv_bytes: 3 * page + 1,
        ..Config::default()
    };
    let server = Server::start(backend.clone(), config).unwrap();
    let refused = |request: Request| server.submit(request.into()).err().unwrap();
    assert_eq!(refused(request(&[], 1, 1)), SubmitError::EmptyPrompt);
    assert_eq!(
        refused(request(&[1, 256], 1, 1)),
        SubmitError::UnknownToken {
            token: 256,
            vocabulary: 256
        }
    );
    assert_eq!(
        refused(request(&[1; 256], 1, 1)),
        SubmitError::ContextOverflow {
            prompt: 256,
            context: 256
        }
    );
    assert_eq!(
        refused(request(&[1], 0, 1)),
        SubmitError::Settings(SettingsError::MaxTokens)
    );
    // 97 positions: the last token needs none.
    assert_eq!(
        refused(request(&[1; 60], 38, 1)),
        SubmitError::TooLarge {
            positions: 97,
            needed: 4 * page,
            budget: 3 * page
        }
    );
    assert!(server.submit(request(&[1; 60], 37, 1).into()).unwrap().wait().is_ok());
    let many = Submission {
        top_logprobs: Some(21),
        ..request(&[1], 1, 1).into()
    };
    assert_eq!(server.submit(many).err(), Some(SubmitError::TopLogprobs(21)));
    let start = |kv_bytes, most_running, step_tokens| {
        let config = Config {
            kv_bytes,
            most_running,
            step_tokens,
            ..Config::default()
        };
        Server::start(backend.clone(), config)
            .map(drop)
            .unwrap_err()
            .to_string()
    };
    assert!(start(page - 1, 2, 16).contains(&format!("page of {page} bytes")));
    assert!(start(page, 16, 16).contains("16 requests at a time"));
    assert!(start(page, 0, 16).contains("0 requests at a time"));
}
