//! Free blocks strung together: a chain that one thread owns, and a queue that any thread returns to.
//!
//! The link is inside the block, so that a returned block needs no allocation: giving memory back must not
//! depend on getting some.

use std::ptr;

use crate::sync::atomic::{AtomicPtr, Ordering};

/// A thing with room for one link.
///
/// # Safety
/// `link` always gives the same field, and nobody else writes it while the value is in a chain or queue.
pub(crate) unsafe trait Linked: Sized {
    fn link(&mut self) -> &mut *mut Self;
}

/// An owned stack of boxed values, linked through themselves.
#[derive(Debug)]
pub(crate) struct Chain<T: Linked> {
    head: *mut T,
}

// SAFETY: a chain owns its values, as a Vec<Box<T>> would.
unsafe impl<T: Linked + Send> Send for Chain<T> {}

impl<T: Linked> Chain<T> {
    pub(crate) const fn new() -> Self {
        Self { head: ptr::null_mut() }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    #[inline]
    pub(crate) fn push(&mut self, mut value: Box<T>) {
        *value.link() = self.head;
        self.head = Box::into_raw(value);
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Box<T>> {
        if self.head.is_null() {
            return None;
        }
        // SAFETY: every pointer in a chain came from Box::into_raw in `push` or from a queue that took one,
        // and leaves the chain exactly once, here.
        let mut value = unsafe { Box::from_raw(self.head) };
        self.head = *value.link();
        Some(value)
    }
}

impl<T: Linked> Iterator for Chain<T> {
    type Item = Box<T>;

    fn next(&mut self) -> Option<Box<T>> {
        self.pop()
    }
}

impl<T: Linked> Drop for Chain<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

/// Where any thread returns values without waiting for any other.
///
/// A push is one compare-and-swap; [`take`](Self::take) swaps the whole queue out, so a value is never popped
/// while others push and the classic reuse hazard of such stacks (the head is removed and comes back between
/// a look and a swap) cannot arise.
#[derive(Debug)]
pub(crate) struct ReturnQueue<T: Linked> {
    head: AtomicPtr<T>,
}

impl<T: Linked> ReturnQueue<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    pub(crate) fn push(&self, value: Box<T>) {
        let value = Box::into_raw(value);
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: `value` came from Box::into_raw above and is not yet visible to another thread.
            unsafe { *(*value).link() = head };
            match self.head.compare_exchange_weak(head, value, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Everything that was returned so far, last first.
    pub(crate) fn take(&self) -> Chain<T> {
        if self.head.load(Ordering::Relaxed).is_null() {
            return Chain::new();
        }
        Chain { head: self.head.swap(ptr::null_mut(), Ordering::Acquire) }
    }
}

impl<T: Linked> Drop for ReturnQueue<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Node {
        link: *mut Node,
        value: u32,
        alive: Arc<()>,
    }

    // SAFETY: `link` is used by nothing else.
    unsafe impl Linked for Node {
        fn link(&mut self) -> &mut *mut Self {
            &mut self.link
        }
    }

    // SAFETY: the link is only followed by the owner of the chain.
    unsafe impl Send for Node {}

    #[test]
    fn every_value_comes_back_once_from_many_threads() {
        let (threads, each) = if cfg!(miri) { (2, 20) } else { (4, 5_000) };
        let alive = Arc::new(());
        let queue = Arc::new(ReturnQueue::new());
        let workers: Vec<_> = (0..threads)
            .map(|t| {
                let (queue, alive) = (Arc::clone(&queue), Arc::clone(&alive));
                std::thread::spawn(move || {
                    for i in 0..each {
                        let alive = Arc::clone(&alive);
                        queue.push(Box::new(Node { link: ptr::null_mut(), value: t * each + i, alive }));
                    }
                })
            })
            .collect();
        let mut seen = Vec::new();
        for worker in workers {
            seen.extend(queue.take().map(|node| node.value));
            worker.join().unwrap();
        }
        seen.extend(queue.take().map(|node| node.value));
        seen.sort_unstable();
        assert_eq!(seen, (0..threads * each).collect::<Vec<_>>());
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn what_is_left_in_a_queue_is_dropped_with_it() {
        let alive = Arc::new(());
        let queue = ReturnQueue::new();
        for value in 0..3 {
            queue.push(Box::new(Node { link: ptr::null_mut(), value, alive: Arc::clone(&alive) }));
        }
        let mut chain = queue.take();
        assert_eq!(chain.pop().map(|node| (node.value, Arc::strong_count(&node.alive))), Some((2, 4)));
        queue.push(Box::new(Node { link: ptr::null_mut(), value: 9, alive: Arc::clone(&alive) }));
        drop(queue);
        drop(chain);
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}

#[cfg(all(test, loom))]
mod explored {
    use loom::alloc::Track;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    use super::*;

    /// Its value is in a cell of loom's, which fails the test when it is read by one who has not synchronised
    /// with its writer; its track fails the test when it is not dropped.
    struct Node {
        link: *mut Node,
        value: UnsafeCell<usize>,
        _alive: Track<()>,
    }

    // SAFETY: `link` is used by nothing else.
    unsafe impl Linked for Node {
        fn link(&mut self) -> &mut *mut Self {
            &mut self.link
        }
    }

    // SAFETY: link and value are only followed by the owner of the chain.
    unsafe impl Send for Node {}

    fn node(value: usize) -> Box<Node> {
        let node = Node { link: ptr::null_mut(), value: UnsafeCell::new(0), _alive: Track::new(()) };
        // SAFETY: nobody else has it.
        node.value.with_mut(|cell| unsafe { *cell = value });
        Box::new(node)
    }

    fn values(chain: Chain<Node>) -> Vec<usize> {
        // SAFETY: a taken chain is its taker's alone, which is what loom checks here.
        chain.map(|node| node.value.with(|cell| unsafe { *cell })).collect()
    }

    fn pusher(queue: &Arc<ReturnQueue<Node>>, base: usize) -> loom::thread::JoinHandle<()> {
        let queue = Arc::clone(queue);
        loom::thread::spawn(move || {
            queue.push(node(base));
            queue.push(node(base + 1));
        })
    }

    /// Two threads return while a third takes: nothing is lost, nothing comes twice, what was written before a
    /// return is seen by the taker.
    #[test]
    fn loom_returns_are_neither_lost_nor_doubled() {
        loom::model(|| {
            let queue = Arc::new(ReturnQueue::new());
            let pushers = [pusher(&queue, 10), pusher(&queue, 20)];
            let mut seen = values(queue.take());
            for pusher in pushers {
                pusher.join().unwrap();
            }
            seen.extend(values(queue.take()));
            seen.sort_unstable();
            assert_eq!(seen, [10, 11, 20, 21]);
        });
    }

    /// Two takers share what a third returns, and what neither took is dropped with the queue.
    #[test]
    fn loom_takers_never_get_the_same_value() {
        loom::model(|| {
            let queue = Arc::new(ReturnQueue::new());
            let pusher = pusher(&queue, 10);
            let taker = {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || values(queue.take()))
            };
            let mine = values(queue.take());
            let theirs = taker.join().unwrap();
            assert!(mine.iter().all(|value| !theirs.contains(value)), "{mine:?} and {theirs:?}");
            pusher.join().unwrap();
        });
    }
}
