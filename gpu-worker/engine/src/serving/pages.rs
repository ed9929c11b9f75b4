// SPDX-License-Identifier: Apache-2.0
//! Who has which page of the KV cache, and which pages hold the beginning of a text that may come again.
//!
//! A page is *free*; *used* by one sequence or, if it is full, by several; or *kept*: used by none, but known by its content, so that a later
//! sequence that begins the same way takes it over. Its content is named by the hash of all tokens from the beginning up to its end,
//! under a *scope*: sequences of different scopes share nothing. A full page that was computed twice is kept once.
//!
//! A sequence is admitted only if all pages that it can ever need are there, and takes them one by one: what is *promised* to the admitted
//! ones never exceeds the free and kept pages. Free pages are handed out first, then the kept one that was last used the longest time
//! ago; of a sequence that has ended, the end goes before the beginning.
use crate::backend::PAGE;
use ergon_primitives::{hash, H256};
use std::collections::BTreeMap;

/// Pages of one sequence.
#[derive(Debug)]
pub(super) struct Table {
    pages: Vec<u32>,
    /// Leading pages that are known by their content.
    known: usize,
    /// Name of the content up to the last known page; the scope if there is none.
    content: H256,
    /// Pages that it may still take.
    promised: usize,
}

impl Table {
    pub fn pages(&self) -> &[u32] {
        &self.pages
    }
}

#[derive(Clone, Default)]
struct Page {
    users: u32,
    /// Name of its content, if it is known by it.
    content: Option<H256>,
    /// When its last user left.
    left: u64,
}

/// All pages of a cache.
pub(super) struct Pool {
    pages: Vec<Page>,
    free: Vec<u32>,
    known: BTreeMap<H256, u32>,
    /// Kept pages by the time of their last use.
    kept: BTreeMap<u64, u32>,
    promised: usize,
    now: u64,
}

impl Pool {
    /// So many free pages.
    pub fn new(pages: usize) -> Self {
        Self {
            pages: vec![Page::default(); pages],
            free: (0..pages as u32).rev().collect(),
            known: BTreeMap::new(),
            kept: BTreeMap::new(),
            promised: 0,
            now: 0,
        }
    }

    /// Number of pages.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Pages that a sequence uses.
    pub fn used(&self) -> usize {
        self.len() - self.free.len() - self.kept.len()
    }

    /// Pages that no sequence uses but a later one may take over.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Admits a sequence that begins with `tokens` and has at most `positions`, if all the pages that it needs are there.
    ///
    /// On return the table has the known pages of its beginning; at least one of `tokens` is left to compute.
    pub fn admit(&mut self, scope: &H256, tokens: &[u32], positions: usize) -> Option<Table> {
        let (mut shared, mut content) = (Vec::new(), beginning(scope));
        for full in tokens[..tokens.len().saturating_sub(1)].chunks_exact(PAGE) {
            let name = name(&content, full);
            let Some(page) = self.known.get(&name) else {
                break;
            };
            shared.push(*page);
            content = name;
        }
        let promised = positions.div_ceil(PAGE) - shared.len();
        let kept = shared.iter().filter(|page| self.pages[**page as usize].users == 0);
        let available = self.free.len() + self.kept.len() - kept.count();
        if available < self.promised + promised {
            return None;
        }
        for page in &shared {
            self.share(*page);
        }
        self.promised += promised;
        Some(Table {
            known: shared.len(),
            pages: shared,
            content,
            promised,
        })
    }

    /// Takes pages until the sequence has room for so many positions, at most those it was admitted with.
    pub fn grow(&mut self, table: &mut Table, positions: usize) {
        while table.pages.len() < positions.div_ceil(PAGE) {
            let page = self.take();
            table.pages.push(page);
            table.promised -= 1;
            self.promised -= 1;
        }
    }

    /// Makes full pages known by their content: all that `tokens`, computed and no longer in doubt, fill.
    pub fn settle(&mut self, table: &mut Table, tokens: &[u32]) {
        for full in tokens.chunks_exact(PAGE).skip(table.known) {
            let name = name(&table.content, full);
            let page = &mut table.pages[table.known];
            match self.known.get(&name) {
                // Another sequence computed the same.
                Some(same) if same != page => {
                    let same = *same;
                    self.give_back(*page);
                    self.share(same);
                    *page = same;
                }
                Some(_) => {}
                None => {
                    self.pages[*page as usize].content = Some(name);
                    self.known.insert(name, *page);
                }
            }
            table.content = name;
            table.known += 1;
        }
    }

    /// Ends a sequence.
    pub fn release(&mut self, table: Table) {
        self.promised -= table.promised;
        for page in table.pages.into_iter().rev() {
            self.give_back(page);
        }
    }

    /// One more sequence uses a known page.
    fn share(&mut self, page: u32) {
        let state = &mut self.pages[page as usize];
        state.users += 1;
        if state.users == 1 {
            self.kept.remove(&state.left);
        }
    }

    /// One sequence less uses a page.
    fn give_back(&mut self, page: u32) {
        let state = &mut self.pages[page as usize];
        state.users -= 1;
        if state.users > 0 {
            return;
        }
        if state.content.is_some() {
            state.left = self.now;
            self.kept.insert(self.now, page);
            self.now += 1;
        } else {
            self.free.push(page);
        }
    }

    /// A page for one sequence: a free one, or else the kept one that was last used the longest time ago.
    fn take(&mut self) -> u32 {
        let page = self
            .free
            .pop()
            .or_else(|| self.kept.pop_first().map(|(_, page)| page))
            .expect("no more pages are promised than there are");
        let state = &mut self.pages[page as usize];
        if let Some(content) = state.content.take() {
            self.known.remove(&content);
        }
        state.users = 1;
        page
    }
}

/// Name of what stands before the first page: no page's, however the scope is chosen.
fn beginning(scope: &H256) -> H256 {
    hash(&[b"ergon/prefix-scope", &scope.0])
}

/// Name of what a page holds behind content of this name.
fn name(content: &H256, tokens: &[u32]) -> H256 {
    let tokens: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    hash(&[b"ergon/prefix", &content.0, &tokens])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SCOPE: H256 = H256::zero();

    /// A finished sequence that has computed all of `tokens`.
    fn compute(pool: &mut Pool, tokens: &[u32]) -> Vec<u32> {
        let mut table = pool.admit(&SCOPE, tokens, tokens.len()).unwrap();
        pool.grow(&mut table, tokens.len());
        pool.settle(&mut table, tokens);
        let pages = table.pages.clone();
        pool.release(table);
        pages
    }

    fn text(beginning: u32, len: usize) -> Vec<u32> {
        (0..len as u32).map(|i| beginning + i).collect()
    }

    #[test]
    fn a_scope_named_like_a_page_shares_nothing_with_what_follows_that_page() {
        let mut pool = Pool::new(8);
        let tokens = text(0, 2 * PAGE);
        compute(&mut pool, &tokens);
        let second = [&tokens[PAGE..], &[7]].concat();
        for scope in [SCOPE, beginning(&SCOPE)] {
            let first = name(&scope, &tokens[..PAGE]);
            let table = pool.admit(&first, &second, second.len()).unwrap();
            assert_eq!(table.known, 0);
            pool.release(table);
        }
    }

    #[test]
    fn a_later_sequence_takes_over_the_pages_of_its_beginning() {
        let mut pool = Pool::new(8);
        let tokens = text(0, 3 * PAGE);
        let pages = compute(&mut pool, &tokens);
        assert_eq!((pool.used(), pool.kept()), (0, 3));
        let same = pool.admit(&SCOPE, &tokens, 3 * PAGE).unwrap();
        assert_eq!(same.pages, pages[..2], "one token is left to compute");
        let longer = pool.admit(&SCOPE, &text(0, 3 * PAGE + 1), 4 * PAGE).unwrap();
        assert_eq!(longer.pages, pages);
        let mut other = tokens.clone();
        other[PAGE] = 7;
        assert_eq!(pool.admit(&SCOPE, &other, 3 * PAGE).unwrap().pages, pages[..1]);
        assert_eq!(pool.used(), 3);
    }

    #[test]
    fn nothing_is_shared_between_scopes() {
        let mut pool = Pool::new(8);
        let tokens = text(0, 2 * PAGE);
        compute(&mut pool, &tokens);
        let elsewhere = H256::repeat_byte(1);
        assert!(pool.admit(&elsewhere, &tokens, 2 * PAGE).unwrap().pages.is_empty());
    }

    #[test]
    fn what_two_sequences_computed_at_the_same_time_is_kept_once() {
        let mut pool = Pool::new(8);
        let tokens = text(0, 2 * PAGE);
        let mut tables = [0, 1].map(|_| {
            let mut table = pool.admit(&SCOPE, &tokens, 2 * PAGE).unwrap();
            pool.grow(&mut table, 2 * PAGE);
            table
        });
        assert_eq!(pool.used(), 4);
        for table in &mut tables {
            pool.settle(table, &tokens);
        }
        assert_eq!(tables[0].pages, tables[1].pages);
        assert_eq!(pool.used(), 2);
        for table in tables {
            pool.release(table);
        }
        assert_eq!((pool.used(), pool.kept()), (0, 2));
    }

    #[test]
    fn kept_pages_go_by_the_time_of_their_last_use_the_end_of_a_text_first() {
        let mut pool = Pool::new(4);
        let (one, two) = (text(0, 2 * PAGE), text(1000, 2 * PAGE));
        compute(&mut pool, &one);
        compute(&mut pool, &two);
        let again = pool.admit(&SCOPE, &text(0, 2 * PAGE + 1), 2 * PAGE + 1);
        assert_eq!(again.as_ref().unwrap().pages.len(), 2);
        pool.release(again.unwrap());
        // Takes the end of the second text, which now was last used before the first.
        compute(&mut pool, &text(5000, PAGE));
        let known = |pool: &mut Pool, tokens: &[u32]| {
            let table = pool.admit(&SCOPE, &[tokens, &[0]].concat(), 3 * PAGE).unwrap();
            let count = table.pages.len();
            pool.release(table);
            count
        };
        assert_eq!(known(&mut pool, &two), 1);
        assert_eq!(known(&mut pool, &one), 2);
    }

    #[test]
    fn what_could_not_be_served_to_the_end_is_not_admitted() {
        let mut pool = Pool::new(4);
        let first = pool.admit(&SCOPE, &[1], 3 * PAGE).unwrap();
        assert_eq!(pool.used(), 0, "promised pages are not used yet");
        assert!(pool.admit(&SCOPE, &[1], PAGE + 1).is_none());
        let second = pool.admit(&SCOPE, &[1], PAGE).unwrap();
        assert!(pool.admit(&SCOPE, &[1], 1).is_none());
        pool.release(first);
        pool.release(second);
        assert!(pool.admit(&SCOPE, &[1], 4 * PAGE).is_some());
    }

    proptest! {
        #[test]
        fn no_page_is_lost_or_given_out_twice(steps in proptest::collection::vec((0..4u8, any::<u8>(), 1..200usize), 1..120)) {
            let mut pool = Pool::new(12);
            let mut running: Vec<(Table, Vec<u32>, usize)> = Vec::new();
            for (what, which, len) in steps {
                let at = usize::from(which) % running.len().max(1);
                match what {
                    0 => {
                        // Few beginnings, so that many are shared.
                        let tokens = text(u32::from(which % 3), len);
                        if let Some(table) = pool.admit(&SCOPE, &tokens, len) {
                            running.push((table, tokens, 0));
                        }
                    }
                    1 if !running.is_empty() => {
                        let (table, _, _) = running.swap_remove(at);
                        pool.release(table);
                    }
                    _ if !running.is_empty() => {
                        let (table, tokens, done) = &mut running[at];
                        *done = (*done).max(table.known * PAGE);
                        *done = (*done + len).min(tokens.len());
                        pool.grow(table, *done);
                        pool.settle(table, &tokens[..*done]);
                    }
                    _ => {}
                }
                let mut users = vec![0; pool.len()];
                for page in running.iter().flat_map(|(table, _, _)| &table.pages) {
                    users[*page as usize] += 1;
                }
                let found: Vec<u32> = pool.pages.iter().map(|page| page.users).collect();
                prop_assert_eq!(&found, &users);
                let idle = users.iter().filter(|users| **users == 0).count();
                prop_assert_eq!(pool.free.len() + pool.kept.len(), idle);
                let promised: usize = running.iter().map(|(table, _, _)| table.promised).sum();
                prop_assert_eq!(pool.promised, promised);
                prop_assert!(promised <= idle);
                for page in pool.known.values() {
                    prop_assert!(pool.pages[*page as usize].content.is_some());
                }
                // A page that several use is full, and all of them have it at the same place behind the same tokens.
                for (table, tokens, _) in &running {
                    for (i, page) in table.pages[..table.known].iter().enumerate() {
                        for (other, others, _) in &running {
                            if other.pages.contains(page) {
                                prop_assert_eq!(other.pages[i], *page);
                                prop_assert_eq!(&others[..(i + 1) * PAGE], &tokens[..(i + 1) * PAGE]);
                            }
                        }
                    }
                }
            }
        }
    }
}
