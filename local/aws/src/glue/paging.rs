//! Pages of a list: `MaxResults` and `NextToken`.

use crate::error::WireError;

/// The items of one page, and the token of the next one.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next_token: Option<String>,
}

/// The page that begins where `token` says (the number of items before it), of at most `asked` and `longest` items.
///
/// # Errors
/// `InvalidInputException` for a token that no page gave, or a length that is out of range.
pub(super) fn page<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&str>,
    asked: Option<i64>,
    longest: usize,
) -> Result<Page<T>, WireError> {
    let (start, length) = bounds(token, asked, longest)?;
    let mut left = items.into_iter().skip(start);
    let items: Vec<T> = left.by_ref().take(length).collect();
    let next_token = left.next().map(|_| (start + items.len()).to_string());
    Ok(Page { items, next_token })
}

/// Where a page begins, and how long it may be.
///
/// # Errors
/// As for [`page`].
pub(super) fn bounds(token: Option<&str>, asked: Option<i64>, longest: usize) -> Result<(usize, usize), WireError> {
    let start: usize = match token.filter(|token| !token.is_empty()) {
        Some(token) => token.parse().map_err(|_| invalid(format!("{token:?} is not a NextToken of this list")))?,
        None => 0,
    };
    let length = match asked.map(usize::try_from) {
        None => longest,
        Some(Ok(length)) if (1..=longest).contains(&length) => length,
        Some(_) => return Err(invalid(format!("MaxResults must be between 1 and {longest}"))),
    };
    Ok((start, length))
}

fn invalid(message: String) -> WireError {
    WireError::client("InvalidInputException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let first = page(0..5, None, Some(3), 100).unwrap();
        assert_eq!(first.items, [0, 1, 2]);
        let second = page(0..5, first.next_token.as_deref(), Some(3), 100).unwrap();
        assert_eq!(second.items, [3, 4]);
        assert_eq!(second.next_token, None);
        assert!(page(0..5, Some("x"), None, 100).is_err());
        assert!(page(0..5, None, Some(101), 100).is_err());
    }
}
