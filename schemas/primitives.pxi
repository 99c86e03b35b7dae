# cython: language_level=3, boundscheck=False, wraparound=False, binding=False, always_allow_keywords=False
# What every compiled codec begins with: Avro's primitives, and the two functions that a schema's code is called by.
#
# Only the usual forms are read and written here. Whatever else comes (bytes that end too early, a length in five bytes,
# an amount beyond 128 bits, a plain string for an enum, a number out of range) raises Unusual, and the plain Python of
# the same schema does it all over again: it says what is wrong, in its own words, or finds that nothing is.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef extern from *:
    """
    #include <structmember.h>
    #ifndef Py_T_OBJECT_EX
    #define Py_T_OBJECT_EX T_OBJECT_EX
    #endif
    #if defined(__GNUC__)
    #define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
    #else
    #define UNLIKELY(condition) (condition)
    #endif
    typedef __int128 int128;
    static PyObject *const *const NO_ARGUMENTS = NULL;
    static inline uint64_t high_half(int128 value) { return (uint64_t)(value >> 64); }
    static inline uint64_t low_half(int128 value) { return (uint64_t)value; }
    static inline int128 of_halves(uint64_t high, uint64_t low) { return (int128)(((unsigned __int128)high << 64) | low); }
    static inline int bits_of(uint64_t value) { return value ? 64 - __builtin_clzll(value) : 0; }
    /* 10**38 - 1, the largest decimal(38, 18) */
    static inline int is_amount(int128 value) {
        int128 limit = (int128)10000000000000000000ULL * (int128)10000000000000000000ULL - 1;
        return -limit <= value && value <= limit;
    }
    """
    ctypedef long long int128
    bint UNLIKELY(bint condition) noexcept
    uint64_t high_half(int128 value) noexcept
    uint64_t low_half(int128 value) noexcept
    int128 of_halves(uint64_t high, uint64_t low) noexcept
    int bits_of(uint64_t value) noexcept
    bint is_amount(int128 value) noexcept

    ctypedef struct PyMemberDef:
        int type
        Py_ssize_t offset
    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member
    PyTypeObject PyMemberDescr_Type
    int Py_T_OBJECT_EX
    PyTypeObject* Py_TYPE(PyObject* value) noexcept
    PyObject* Py_None
    PyObject* Py_True
    PyObject* Py_False

    bint PyBytes_CheckExact(PyObject* value) noexcept
    bint PyLong_Check(PyObject* value) noexcept
    bint PyTuple_CheckExact(PyObject* value) noexcept
    bint PyUnicode_Check(PyObject* value) noexcept
    bint PyUnicode_IS_ASCII(PyObject* value) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject* value) noexcept
    Py_ssize_t PyTuple_GET_SIZE(PyObject* value) noexcept
    PyObject* PyTuple_GET_ITEM(PyObject* value, Py_ssize_t index) noexcept
    void* PyUnicode_DATA(PyObject* value) noexcept
    object PyUnicode_DecodeUTF8(const char* data, Py_ssize_t size, const char* errors)
    object PyUnicode_AsUTF8String(object text)
    long long PyLong_AsLongLongAndOverflow(PyObject* value, int* overflow) except? -1
    object PyLong_FromLongLong(long long value)
    object PyObject_Vectorcall(object called, PyObject** arguments, size_t count, PyObject* names)
    void Py_INCREF(PyObject* value) noexcept
    void Py_XDECREF(PyObject* value) noexcept


cdef enum:
    HEADER_BYTES = 5  # as in schemas.wire
    SCRATCH = 1024  # bytes of a message that are written without asking for memory
    SHARED = 4096  # how many texts are remembered
    SHARED_BYTES_MAX = 64


class Unusual(Exception):
    """Not for this code; the plain one does it."""


cdef int unusual() except -1:
    raise Unusual


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

cdef struct Reader:
    const unsigned char* at
    const unsigned char* end


cdef inline unsigned char read_byte(Reader* r) except? 255:
    if UNLIKELY(r.at >= r.end):
        unusual()
    r.at += 1
    return (r.at - 1)[0]


cdef inline uint64_t read_zigzag(Reader* r) except? 0xFFFFFFFFFFFFFFFFULL:
    """An unsigned varint of at most 64 bits."""
    cdef uint64_t value = 0
    cdef int shift = 0
    cdef unsigned char byte
    while True:
        if UNLIKELY(r.at >= r.end):
            unusual()
        byte = r.at[0]
        r.at += 1
        if UNLIKELY(shift == 63 and byte > 1):
            unusual()
        value |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7


cdef inline Py_ssize_t read_length(Reader* r) except -1:
    """A length, of which so many bytes are there."""
    cdef uint64_t doubled = read_zigzag(r)
    if UNLIKELY(doubled & 1 or (doubled >> 1) > <uint64_t>(r.end - r.at)):
        unusual()
    return <Py_ssize_t>(doubled >> 1)


cdef inline object read_text(Reader* r):
    cdef Py_ssize_t size = read_length(r)
    r.at += size
    return PyUnicode_DecodeUTF8(<const char*>(r.at - size), size, NULL)


cdef struct SharedText:
    PyObject* text
    Py_ssize_t size
    unsigned char raw[SHARED_BYTES_MAX]


cdef SharedText shared_texts[SHARED]


cdef inline bint is_shared(SharedText* place, const unsigned char* start, Py_ssize_t size) noexcept:
    return place.text != NULL and place.size == size and not memcmp(place.raw, start, size)


cdef inline object read_shared_text(Reader* r):
    """A text of few different values: the string that was made of the same bytes before, if it is still remembered."""
    cdef Py_ssize_t size = read_length(r)
    cdef const unsigned char* start = r.at
    cdef uint64_t mixed = size
    cdef SharedText* first
    cdef SharedText* second
    cdef Py_ssize_t i
    r.at += size
    if size > SHARED_BYTES_MAX:
        return PyUnicode_DecodeUTF8(<const char*>start, size, NULL)
    for i in range(size):
        mixed = (mixed ^ start[i]) * 0x100000001B3ULL
    mixed = (mixed ^ (mixed >> 29)) % SHARED
    first = &shared_texts[mixed]
    if is_shared(first, start, size):
        return <object>first.text
    second = &shared_texts[mixed ^ 1]
    if is_shared(second, start, size):
        return <object>second.text
    text = PyUnicode_DecodeUTF8(<const char*>start, size, NULL)
    Py_XDECREF(second.text)
    second[0] = first[0]  # the older of the two goes
    first.text = <PyObject*>text
    first.size = size
    memcpy(first.raw, start, size)
    Py_INCREF(first.text)
    return text


cdef inline object read_bytes(Reader* r):
    cdef Py_ssize_t size = read_length(r)
    r.at += size
    return PyBytes_FromStringAndSize(<const char*>(r.at - size), size)


cdef inline object read_amount(Reader* r):
    cdef Py_ssize_t size = read_length(r)
    cdef const unsigned char* at = r.at
    cdef uint64_t high, low
    cdef Py_ssize_t i
    if UNLIKELY(size > 16):
        unusual()
    r.at += size
    low = high = <uint64_t>-1 if size and at[0] & 0x80 else 0
    if size <= 8:
        for i in range(size):
            low = low << 8 | at[i]
        return PyLong_FromLongLong(<long long>low)
    for i in range(size - 8):
        high = high << 8 | at[i]
    for i in range(size - 8, size):
        low = low << 8 | at[i]
    return of_halves(high, low)


cdef inline object read_long(Reader* r):
    cdef uint64_t zigzag = read_zigzag(r)
    return PyLong_FromLongLong(<long long>((zigzag >> 1) ^ (0 - (zigzag & 1))))


cdef inline object read_int(Reader* r):
    cdef uint64_t zigzag = read_zigzag(r)
    if UNLIKELY(zigzag >> 32):
        unusual()
    return PyLong_FromLongLong(<long long>((zigzag >> 1) ^ (0 - (zigzag & 1))))


cdef inline object read_boolean(Reader* r):
    cdef unsigned char byte = read_byte(r)
    if UNLIKELY(byte > 1):
        unusual()
    return byte == 1


cdef inline object read_choice(Reader* r, PyObject** members, int count):
    cdef unsigned char byte = read_byte(r)
    if UNLIKELY(byte & 1 or (byte >> 1) >= count):
        unusual()
    return <object>members[byte >> 1]


cdef inline bint read_present(Reader* r) except -1:
    """Which branch of a union with null."""
    cdef unsigned char byte = read_byte(r)
    if UNLIKELY(byte & 0xFD):
        unusual()
    return byte != 0


cdef inline Py_ssize_t read_block(Reader* r) except -1:
    """The number of items in a block of an array; 0 ends it."""
    cdef uint64_t doubled = read_zigzag(r)
    if UNLIKELY(doubled & 1 or doubled > <uint64_t>1 << 62):
        unusual()
    return <Py_ssize_t>(doubled >> 1)


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

cdef struct Writer:
    unsigned char* start
    unsigned char* at
    unsigned char* end
    unsigned char* allocated  # NULL while the scratch suffices


cdef int grow(Writer* w, Py_ssize_t size) except -1:
    cdef Py_ssize_t used = w.at - w.start
    cdef Py_ssize_t wanted = 2 * used + size
    cdef unsigned char* moved = <unsigned char*>PyMem_Realloc(w.allocated, wanted)
    if moved == NULL:
        raise MemoryError
    if w.allocated == NULL:
        memcpy(moved, w.start, used)
    w.allocated = w.start = moved
    w.at = moved + used
    w.end = moved + wanted
    return 0


cdef inline int reserve(Writer* w, Py_ssize_t size) except -1:
    if UNLIKELY(w.end - w.at < size):
        grow(w, size)
    return 0


cdef inline int write_byte(Writer* w, unsigned char byte) except -1:
    reserve(w, 1)
    w.at[0] = byte
    w.at += 1
    return 0


cdef inline int write_zigzag(Writer* w, uint64_t value) except -1:
    reserve(w, 10)
    while value > 0x7F:
        w.at[0] = <unsigned char>(value & 0x7F | 0x80)
        w.at += 1
        value >>= 7
    w.at[0] = <unsigned char>value
    w.at += 1
    return 0


cdef inline int write_run(Writer* w, const void* data, Py_ssize_t size) except -1:
    """The length, and the bytes."""
    write_zigzag(w, <uint64_t>size << 1)
    reserve(w, size)
    memcpy(w.at, data, size)
    w.at += size
    return 0


cdef inline int write_text(Writer* w, PyObject* text) except -1:
    if UNLIKELY(not PyUnicode_Check(text)):
        unusual()
    if PyUnicode_IS_ASCII(text):
        return write_run(w, PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text))
    encoded = PyUnicode_AsUTF8String(<object>text)
    return write_run(w, PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))


cdef inline int write_bytes(Writer* w, PyObject* data) except -1:
    if UNLIKELY(not PyBytes_CheckExact(data)):
        unusual()
    return write_run(w, PyBytes_AS_STRING(<object>data), PyBytes_GET_SIZE(<object>data))


cdef inline long long long_of(PyObject* number) except? -1:
    cdef int overflow = 0
    cdef long long value
    if UNLIKELY(not PyLong_Check(number)):
        unusual()
    value = PyLong_AsLongLongAndOverflow(number, &overflow)
    if UNLIKELY(overflow):
        unusual()
    return value


cdef inline int write_long(Writer* w, PyObject* number) except -1:
    cdef long long value = long_of(number)
    return write_zigzag(w, (<uint64_t>value << 1) ^ <uint64_t>(value >> 63))


cdef inline int write_int(Writer* w, PyObject* number) except -1:
    cdef long long value = long_of(number)
    if UNLIKELY(value != <int>value):
        unusual()
    return write_zigzag(w, (<uint64_t>value << 1) ^ <uint64_t>(value >> 63))


cdef inline int write_amount(Writer* w, PyObject* number) except -1:
    """The shortest two's complement of at most 16 bytes, with a bit for the sign."""
    cdef int128 value
    cdef uint64_t high, low, flip
    cdef int size, i
    if UNLIKELY(not PyLong_Check(number)):
        unusual()
    value = <int128><object>number
    if UNLIKELY(not is_amount(value)):
        unusual()
    high = high_half(value)
    low = low_half(value)
    size = amount_bits(value, high, low) + 8 >> 3
    reserve(w, 17)
    w.at[0] = <unsigned char>(2 * size)
    for i in range(size, 0, -1):
        w.at[i] = <unsigned char>low
        low = low >> 8 | high << 56
        high >>= 8
    w.at += size + 1
    return 0


cdef inline int amount_bits(int128 value, uint64_t high, uint64_t low) noexcept:
    """The bits of the absolute value, whose high and low halves these are unless it is negative."""
    if high >> 63:
        low = 0 - low
        high = ~high + (low == 0)
    return 64 + bits_of(high) if high else bits_of(low)


cdef inline int write_boolean(Writer* w, PyObject* truth) except -1:
    if truth == Py_True:
        return write_byte(w, 1)
    if UNLIKELY(truth != Py_False):
        unusual()
    return write_byte(w, 0)


cdef inline int write_choice(Writer* w, PyObject* member, PyObject** members, int count) except -1:
    cdef int i
    for i in range(count):
        if members[i] == member:
            return write_byte(w, <unsigned char>(2 * i))
    return unusual()


cdef inline PyObject* held(PyObject* message, Py_ssize_t offset) except NULL:
    """The value of a field: what the member descriptor at *offset* would hand out."""
    cdef PyObject* value = (<PyObject**>(<char*>message + offset))[0]
    if UNLIKELY(value == NULL):
        unusual()
    return value


cdef int find_fields(object holder, tuple names, Py_ssize_t* offsets) except -1:
    """Where the values of *holder* have their fields, as the class's own member descriptors say. Raises TypeError."""
    cdef PyMemberDef* member
    cdef Py_ssize_t i
    for i, name in enumerate(names):
        descriptor = next((base.__dict__[name] for base in holder.__mro__ if name in base.__dict__), None)
        if Py_TYPE(<PyObject*>descriptor) != &PyMemberDescr_Type:
            raise TypeError(f"{holder.__name__}.{name} is not a slot")
        member = (<PyMemberDescrObject*><PyObject*>descriptor).d_member
        if member.type != Py_T_OBJECT_EX:
            raise TypeError(f"{holder.__name__}.{name} does not hold an object")
        offsets[i] = member.offset
    return 0


cdef int find_members(object choice, tuple names, PyObject** members) except -1:
    """The members of an enum, kept for good."""
    cdef Py_ssize_t i
    for i, name in enumerate(names):
        member = choice(name)
        Py_INCREF(<PyObject*>member)
        members[i] = <PyObject*>member
    return 0


# ── a schema's codec ────────────────────────────────────────────────────────────────────────────────────────────────

ctypedef int (*Write)(Writer* w, PyObject* message) except -1
ctypedef object (*Read)(Reader* r)


cdef class Specialised:
    """One schema's code, with the header of one id in front of its values."""

    cdef bytes header
    cdef object plain_encode
    cdef object plain_decode
    cdef Write write
    cdef Read read

    def encode(self, message, /):
        cdef unsigned char scratch[SCRATCH]
        cdef Writer w
        w.start = w.at = scratch
        w.end = scratch + SCRATCH
        w.allocated = NULL
        memcpy(w.at, PyBytes_AS_STRING(self.header), HEADER_BYTES)
        w.at += HEADER_BYTES
        try:
            self.write(&w, <PyObject*>message)
            return PyBytes_FromStringAndSize(<char*>w.start, w.at - w.start)
        except Exception:
            return self.plain_encode(message)
        finally:
            PyMem_Free(w.allocated)

    def decode(self, data, /):
        cdef Reader r
        if not PyBytes_CheckExact(<PyObject*>data) or PyBytes_GET_SIZE(data) < HEADER_BYTES:
            return self.plain_decode(data)
        r.at = <const unsigned char*>PyBytes_AS_STRING(data)
        r.end = r.at + PyBytes_GET_SIZE(data)
        if memcmp(r.at, PyBytes_AS_STRING(self.header), HEADER_BYTES):
            return self.plain_decode(data)
        r.at += HEADER_BYTES
        try:
            message = self.read(&r)
            if r.at == r.end:
                return message
        except Exception:
            pass
        return self.plain_decode(data)


def specialised(str name, bytes header, plain_encode, plain_decode):
    """The codec of the schema *name*, beside the plain functions that do the same. Raises KeyError."""
    cdef Specialised made = Specialised()
    if len(header) != HEADER_BYTES:
        raise ValueError("no header")
    made.header = header
    made.plain_encode = plain_encode
    made.plain_decode = plain_decode
    choose(made, name)
    return made
