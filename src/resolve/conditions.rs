//! SQL conditions on pairs of records, as those who execute SQL give them.
//!
//! Knows that a condition holds, does not, or is unknown; refuses to know SQL.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, BooleanArray};

use crate::error::{Error, Result};

/// Conditions compiled over the rows of an [`Input`](super::Input).
pub trait PairConditions: Send + Sync {
    /// The columns that a condition reads, over all rows.
    ///
    /// # Errors
    /// A condition that was not compiled.
    fn columns(&self, condition: &str) -> Result<Vec<(String, ArrayRef)>>;

    /// Whether a condition holds of each pair of rows, null where that is unknown. Symmetric.
    ///
    /// # Errors
    /// A condition that was not compiled, or a value that it cannot be computed of.
    fn holds(&self, condition: &str, left: &[u32], right: &[u32]) -> Result<BooleanArray>;
}

/// Conditions asked from many threads: the first failure is kept, and answers after it mean nothing.
pub(crate) struct Asked {
    conditions: Arc<dyn PairConditions>,
    failure: Mutex<Option<Error>>,
}

impl Asked {
    pub(crate) fn new(conditions: &Arc<dyn PairConditions>) -> Self {
        Self { conditions: Arc::clone(conditions), failure: Mutex::new(None) }
    }

    /// Hands each pair's place to `answer`, with whether the condition holds of it.
    pub(crate) fn each(
        &self,
        condition: &str,
        left: &[u32],
        right: &[u32],
        mut answer: impl FnMut(usize, Option<bool>),
    ) {
        if left.is_empty() {
            return;
        }
        match self.conditions.holds(condition, left, right) {
            Ok(found) => {
                for place in 0..found.len() {
                    answer(place, found.is_valid(place).then(|| found.value(place)));
                }
            }
            Err(error) => {
                if let Ok(mut failure) = self.failure.lock() {
                    failure.get_or_insert(error);
                }
            }
        }
    }

    /// The first failure, once.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failure.lock().ok()?.take()
    }
}

/// What was compiled, where settings have a condition.
pub(crate) fn compiled(
    conditions: Option<&Arc<dyn PairConditions>>,
) -> Result<&Arc<dyn PairConditions>> {
    conditions.ok_or_else(|| Error::bug("conditions on pairs were not compiled"))
}

#[cfg(test)]
pub(crate) mod testing {
    //! Conditions without SQL: `=` of one text column, and `near`, one edit.

    use arrow::array::{AsArray, StringArray};

    use super::*;
    use crate::resolve::similarity;

    pub(crate) struct Texts(pub(crate) ArrayRef);

    impl Texts {
        pub(crate) fn of(values: &[Option<&str>]) -> Arc<dyn PairConditions> {
            Arc::new(Self(Arc::new(StringArray::from(values.to_vec()))))
        }
    }

    impl PairConditions for Texts {
        fn columns(&self, _: &str) -> Result<Vec<(String, ArrayRef)>> {
            Ok(vec![("text".to_owned(), Arc::clone(&self.0))])
        }

        fn holds(&self, condition: &str, left: &[u32], right: &[u32]) -> Result<BooleanArray> {
            let texts = self.0.as_string::<i32>();
            let value =
                |row: u32| (!texts.is_null(row as usize)).then(|| texts.value(row as usize));
            left.iter()
                .zip(right)
                .map(|(l, r)| {
                    let Some((l, r)) = value(*l).zip(value(*r)) else { return Ok(None) };
                    match condition {
                        "=" => Ok(Some(l == r)),
                        "near" => Ok(Some(similarity::one_edit(l, r))),
                        _ => Err(Error::data("a value could not be computed")),
                    }
                })
                .collect()
        }
    }
}
