// SPDX-License-Identifier: Apache-2.0
//! First in, first out for each model; the models take turns.
//!
//! A queue is a list linked in both directions, so that a job leaves it in O(1) from wherever it stands.
use crate::{Config, Error, Link, Links, Pallet, Queue, Queues, Waiting};
use ergon_primitives::{JobId, ModelId};

impl<T: Config> Pallet<T> {
    /// Puts `job` at the end of the queue of `model`. O(1).
    pub(crate) fn enqueue(model: &ModelId, job: JobId) -> Result<(), Error<T>> {
        let (queue, previous) = match Queues::<T>::get(model) {
            Some(queue) => (
                Queue {
                    tail: job,
                    length: queue.length.saturating_add(1),
                    ..queue
                },
                Some(queue.tail),
            ),
            None => {
                Waiting::<T>::try_append(model).map_err(|()| Error::<T>::TooManyWaitingModels)?;
                (
                    Queue {
                        head: job,
                        tail: job,
                        length: 1,
                    },
                    None,
                )
            }
        };
        Queues::<T>::insert(model, queue);
        Links::<T>::insert(job, Link { previous, next: None });
        if let Some(previous) = previous {
            Links::<T>::mutate(previous, |link| link.next = Some(job));
        }
        Ok(())
    }

    /// Takes `job` out of the queue of `model`. O(1), and O(waiting models) for the last one.
    pub(crate) fn dequeue(model: &ModelId, job: JobId) {
        let (Some(mut queue), Link { previous, next }) = (Queues::<T>::get(model), Links::<T>::take(job)) else {
            return;
        };
        match previous {
            Some(previous) => Links::<T>::mutate(previous, |link| link.next = next),
            None => queue.head = next.unwrap_or(queue.head),
        }
        match next {
            Some(next) => Links::<T>::mutate(next, |link| link.previous = previous),
            None => queue.tail = previous.unwrap_or(queue.tail),
        }
        queue.length = queue.length.saturating_sub(1);
        if queue.length > 0 {
            return Queues::<T>::insert(model, queue);
        }
        Queues::<T>::remove(model);
        Waiting::<T>::mutate(|models| models.retain(|waiting| waiting != model));
    }

    /// The model whose turn it is; the next call names the next one. O(waiting models).
    pub(crate) fn next_model() -> Option<ModelId> {
        Waiting::<T>::mutate(|models| {
            let next = models.first().copied()?;
            // Can't fail: there is at least one.
            let _ = models.try_rotate_left(1);
            Some(next)
        })
    }
}
