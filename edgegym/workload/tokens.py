"""Text records to arrays: numba kernels over the bytes of a whole file.

A record is a line; the columns are time, id, size and perhaps node and client. Identifiers of contents and clients are
compared as they are written and numbered in order of first appearance, so that integers of any length and text are the
same to the kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit

NEWLINE, RETURN, SPACE, TAB, QUOTE, COMMA = 10, 13, 32, 9, 34, 44
PLUS, MINUS, POINT, ZERO, NINE = 43, 45, 46, 48, 57
LOWER_E, UPPER_E = 101, 69

OK, BAD_COUNT, BAD_QUOTE, BAD_TIME, BAD_ID, BAD_ID_RANGE, BAD_SIZE, BAD_SIZE_RANGE, BAD_NODE, BAD_CLIENT = range(10)
"""What can be wrong with a record."""
NOT_A_NUMBER, EXACT, INEXACT = range(3)
NO_DIGITS, TOO_LARGE = -1, -2
MOST_FIELDS = 5
NO_COLUMN = -1

# A decimal fraction is exactly rounded by one division while both operands are exact doubles: the first below 2**53,
# the second a power of ten up to 10**22. The rest is left to float().
EXACT_MANTISSA = (2**53 - 10) // 10
POWERS = np.array([10.0**k for k in range(23)])
LARGEST = (2**63 - 10) // 10
UNSIGNED_TOP, SIGNED_TOP = np.uint64(2**64 - 1), np.uint64(2**63)
TEN = np.uint64(10)
FNV_START, FNV_PRIME, FNV_SHIFT = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3), np.uint64(32)


@inlined
def is_digit(byte: int) -> bool:
    """Whether the byte is one of 0 .. 9."""
    return ZERO <= byte <= NINE


@inlined
def is_blank(byte: int) -> bool:
    """Whether the byte is a space or a tab."""
    return byte in (SPACE, TAB)


@inlined
def decimal(buffer: NDArray[np.uint8], begin: int, end: int) -> tuple[int, float]:
    """Read a decimal number.

    Returns:
        NOT_A_NUMBER, EXACT or INEXACT, and the value if EXACT.
    """
    at = begin
    if at < end and (buffer[at] == MINUS or buffer[at] == PLUS):
        at += 1
    mantissa = np.int64(0)
    digits, decimals, kind = 0, 0, EXACT
    point = False
    while at < end and (is_digit(buffer[at]) or (buffer[at] == POINT and not point)):
        if buffer[at] == POINT:
            point = True
        else:
            digits += 1
            decimals += point
            if mantissa <= EXACT_MANTISSA:
                mantissa = mantissa * 10 + (np.int64(buffer[at]) - ZERO)
            else:
                kind = INEXACT
        at += 1
    if at < end and digits and (buffer[at] == LOWER_E or buffer[at] == UPPER_E):
        kind = INEXACT
        at += 1
        if at < end and (buffer[at] == MINUS or buffer[at] == PLUS):
            at += 1
        digits = 0
        while at < end and is_digit(buffer[at]):
            digits += 1
            at += 1
    if at < end or digits == 0:
        return NOT_A_NUMBER, 0.0
    if kind == INEXACT or decimals >= len(POWERS):
        return INEXACT, 0.0
    value = mantissa / POWERS[decimals]
    return EXACT, -value if buffer[begin] == MINUS else value


@inlined
def whole(buffer: NDArray[np.uint8], begin: int, end: int) -> int:
    """Read digits as an integer; NO_DIGITS if there is anything else, TOO_LARGE if it does not fit 63 bits."""
    value = np.int64(0)
    for at in range(begin, end):
        if not is_digit(buffer[at]):
            return NO_DIGITS
        if value > LARGEST:
            return TOO_LARGE
        value = value * 10 + (np.int64(buffer[at]) - ZERO)
    return int(value) if end > begin else NO_DIGITS


@inlined
def identifier_problem(buffer: NDArray[np.uint8], begin: int, end: int) -> int:
    """Whether an identifier is an integer that fits 64 bits, signed or unsigned: OK, BAD_ID or BAD_ID_RANGE."""
    negative = begin < end and buffer[begin] == MINUS
    first = begin + 1 if negative else begin
    top = SIGNED_TOP if negative else UNSIGNED_TOP
    value = np.uint64(0)
    for at in range(first, end):
        if not is_digit(buffer[at]):
            return BAD_ID
        digit = np.uint64(buffer[at] - ZERO)
        if value > (top - digit) // TEN:
            return BAD_ID_RANGE
        value = value * TEN + digit
    return OK if end > first else BAD_ID


@inlined
def field_end(buffer: NDArray[np.uint8], begin: int, stop: int, comma: bool) -> int:
    """Where an unquoted field ends: at a comma, or at a blank where blanks separate."""
    at = begin
    while at < stop and not (buffer[at] == COMMA if comma else is_blank(buffer[at])):
        at += 1
    return at


@inlined
def quote_end(buffer: NDArray[np.uint8], begin: int, stop: int) -> int:
    """Where a quoted field ends, ``stop`` if nowhere; a doubled quote belongs to the field."""
    at = begin
    while at < stop:
        if buffer[at] == QUOTE:
            if at + 1 == stop or buffer[at + 1] != QUOTE:
                return at
            at += 1
        at += 1
    return stop


@inlined
def split_line(buffer: NDArray[np.uint8], begin: int, stop: int, comma: bool, bounds: NDArray[np.int64]) -> int:
    """Note begin and end of the fields of a line in ``bounds``; return their number, -1 for a quote left open."""
    at, fields = begin, 0
    while True:
        while at < stop and is_blank(buffer[at]):
            at += 1
        if at == stop and not comma:
            return fields
        if comma and at < stop and buffer[at] == QUOTE:
            first = at + 1
            last = quote_end(buffer, first, stop)
            if last == stop:
                return -1
            at = field_end(buffer, last, stop, comma)
            for k in range(last + 1, at):
                if not is_blank(buffer[k]):
                    return -1
        else:
            first = at
            at = field_end(buffer, first, stop, comma)
            last = at
            while last > first and is_blank(buffer[last - 1]):
                last -= 1
        if fields < MOST_FIELDS:
            bounds[fields, 0], bounds[fields, 1] = first, last
        fields += 1
        if at == stop:
            return fields
        at += 1


@inlined
def number_of(
    buffer: NDArray[np.uint8], begin: int, end: int, table: NDArray[np.int32], first: NDArray[np.int64], known: int
) -> int:
    """The number of an identifier, ``known`` if it is new; ``first`` holds where each one first stood."""
    code = FNV_START
    for at in range(begin, end):
        code = (code ^ np.uint64(buffer[at])) * FNV_PRIME
    slot = np.int64((code ^ (code >> FNV_SHIFT)) & np.uint64(len(table) - 1))
    while table[slot] >= 0:
        number = table[slot]
        if first[number, 1] - first[number, 0] == end - begin:
            at = 0
            while at < end - begin and buffer[first[number, 0] + at] == buffer[begin + at]:
                at += 1
            if at == end - begin:
                return number
        slot = (slot + 1) & (len(table) - 1)
    table[slot] = known
    first[known, 0], first[known, 1] = begin, end
    return known


@njit(cache=True)
def parse_records(
    buffer: NDArray[np.uint8],
    start: int,
    comma: bool,
    fields: int,
    node_column: int,
    client_column: int,
    integer_ids: bool,
    time: NDArray[np.float64],
    unread: NDArray[np.int64],
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    node: NDArray[np.int32],
    client: NDArray[np.int32],
    table: NDArray[np.int32],
    first: NDArray[np.int64],
    client_table: NDArray[np.int32],
    client_first: NDArray[np.int64],
    bounds: NDArray[np.int64],
) -> tuple[int, int, int, int]:
    """Read the records of ``buffer`` from ``start`` on.

    Args:
        buffer: (bytes,) the file, without blank lines at its end.
        start: where the first record begins.
        comma: whether commas separate the fields, with quotes allowed, or blanks.
        fields: 3, one more with a node and one more with a client.
        node_column: which field is the node; NO_COLUMN for none.
        client_column: which field is the client; NO_COLUMN for none.
        integer_ids: whether identifiers must be integers of 64 bits.
        time: (records,) filled; nan where it needs more than one division.
        unread: (records, 2) filled with begin and end of those times.
        content: (records,) filled with numbers in order of first appearance.
        size: (records,) filled.
        node: (records,) filled if there is a node.
        client: (records,) filled if there is a client, with numbers in order of first appearance.
        table: (power of two, above the number of records) hash table, -1.
        first: (records, 2) filled with begin and end of the place where each content first stood.
        client_table: as ``table``, for the clients.
        client_first: as ``first``, for the clients.
        bounds: (5, 2) scratch; begin and end of the fields of the record where reading stopped.

    Returns:
        What was wrong (OK for nothing), the number of records read, begin and end of the line it stopped at.
    """
    at, record, known, known_clients = start, 0, 0, 0
    while at < len(buffer):
        end = at
        while end < len(buffer) and buffer[end] != NEWLINE:
            end += 1
        stop = end - 1 if end > at and buffer[end - 1] == RETURN else end
        count = split_line(buffer, at, stop, comma, bounds)
        if count != fields:
            return (BAD_QUOTE if count < 0 else BAD_COUNT), record, at, stop
        kind, time[record] = decimal(buffer, bounds[0, 0], bounds[0, 1])
        if kind == NOT_A_NUMBER:
            return BAD_TIME, record, at, stop
        if kind == INEXACT:
            time[record] = np.nan
            unread[record, 0], unread[record, 1] = bounds[0, 0], bounds[0, 1]
        problem = OK if bounds[1, 1] > bounds[1, 0] else BAD_ID
        if integer_ids:
            problem = identifier_problem(buffer, bounds[1, 0], bounds[1, 1])
        size[record] = whole(buffer, bounds[2, 0], bounds[2, 1])
        if problem == OK and size[record] < 1:
            problem = BAD_SIZE_RANGE if size[record] == TOO_LARGE else BAD_SIZE
        if problem == OK and node_column != NO_COLUMN:
            number = whole(buffer, bounds[node_column, 0], bounds[node_column, 1])
            if not 0 <= number < 2**31 - 1:
                problem = BAD_NODE
            node[record] = number
        if problem == OK and client_column != NO_COLUMN:
            first_byte, last_byte = bounds[client_column, 0], bounds[client_column, 1]
            if first_byte == last_byte:
                problem = BAD_CLIENT
            else:
                client[record] = number_of(buffer, first_byte, last_byte, client_table, client_first, known_clients)
                known_clients += client[record] == known_clients
        if problem != OK:
            return problem, record, at, stop
        content[record] = number_of(buffer, bounds[1, 0], bounds[1, 1], table, first, known)
        known += content[record] == known
        record += 1
        at = end + 1
    return OK, record, at, at
