# cython: language_level=3, boundscheck=False, wraparound=False, binding=False, always_allow_keywords=False
# Avro records straight into the buffers of Arrow columns: no Python object is made for a record or a field.
#
# A program says which field of the schema goes into which column (see columnar.py, which writes it). A record is read
# whole into cells before any of it is put into a column. Only usual records are taken: bytes that end too early, another
# schema's id, an amount or an instant that ClickHouse can't hold, text that is no UTF-8: each such record is left out
# and its number returned, for the plain way to say what it is.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

cdef extern from *:
    """
    static const unsigned char NOTHING[1] = {0};
    typedef __int128 fillstream_int128;
    /* whether these halves make an integer within ±(10**38 - 1) */
    static inline int is_amount(uint64_t high, uint64_t low) {
        fillstream_int128 value = (fillstream_int128)(((unsigned __int128)high << 64) | low);
        fillstream_int128 limit =
            (fillstream_int128)10000000000000000000ULL * (fillstream_int128)10000000000000000000ULL - 1;
        return -limit <= value && value <= limit;
    }
    """
    const unsigned char* NOTHING
    bint is_amount(uint64_t high, uint64_t low) noexcept
    bint PyBytes_CheckExact(PyObject* value) noexcept
    PyObject* PyList_GET_ITEM(object values, Py_ssize_t index) noexcept
    object PyUnicode_DecodeUTF8(const char* data, Py_ssize_t size, const char* errors)

cdef enum:
    HEADER_BYTES = 5  # as in schemas.wire
    ITEMS_MAX = 4096  # more items than that in one record's array are unusual
    OK = 0
    UNUSUAL = -1

cdef enum Wire:
    TEXT
    BYTES
    BOOLEAN
    INT
    LONG
    INSTANT
    AMOUNT
    CHOICE
    ONE_OF
    MANY

cdef enum Kind:
    TEXTS
    LABELS
    BLOBS
    INSTANTS
    AMOUNTS
    FLAGS
    NUMBERS_32
    NUMBERS_64
    LINES


# ── what is read ────────────────────────────────────────────────────────────────────────────────────────────────────

cdef struct Reader:
    const unsigned char* at
    const unsigned char* end


cdef struct Cell:
    const unsigned char* at  # of a text, NULL if the field is absent; any other pointer stands for "present"
    Py_ssize_t size
    uint64_t low
    uint64_t high


cdef struct Symbol:
    const unsigned char* at
    Py_ssize_t size


cdef struct Program


cdef struct Field:
    int wire
    bint maybe
    int cell
    int count  # of symbols, or of programs
    Symbol* symbols  # of a choice; of a union, the names of its branches
    Program* programs  # of a union's branches, or the one of an array's items


cdef struct Program:
    int count
    Field* fields


cdef inline int read_zigzag(Reader* r, uint64_t* found) noexcept:
    """An unsigned varint of at most 64 bits."""
    cdef uint64_t value = 0
    cdef int shift = 0
    cdef unsigned char byte
    while r.at < r.end:
        byte = r.at[0]
        r.at += 1
        if shift == 63 and byte > 1:
            return UNUSUAL
        value |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            found[0] = value
            return OK
        shift += 7
    return UNUSUAL


cdef inline int read_run(Reader* r, Cell* cell) noexcept:
    """A length, and so many bytes."""
    cdef uint64_t doubled = 0
    if read_zigzag(r, &doubled) or doubled & 1 or (doubled >> 1) > <uint64_t>(r.end - r.at):
        return UNUSUAL
    cell.at = r.at
    cell.size = <Py_ssize_t>(doubled >> 1)
    r.at += cell.size
    return OK


cdef inline int read_text(Reader* r, Cell* cell) except -2:
    cdef Py_ssize_t i
    if read_run(r, cell):
        return UNUSUAL
    for i in range(cell.size):
        if cell.at[i] & 0x80:
            return check_text(cell)
    return OK


cdef int check_text(Cell* cell) except -2:
    """A text that isn't plain ASCII: whether it is UTF-8."""
    try:
        PyUnicode_DecodeUTF8(<const char*>cell.at, cell.size, NULL)
    except UnicodeDecodeError:
        return UNUSUAL
    return OK


cdef inline int read_amount(Reader* r, Cell* cell) noexcept:
    cdef Py_ssize_t i
    cdef uint64_t high, low
    if read_run(r, cell) or cell.size > 16:
        return UNUSUAL
    low = high = <uint64_t>-1 if cell.size and cell.at[0] & 0x80 else 0
    for i in range(cell.size):
        high = high << 8 | low >> 56
        low = low << 8 | cell.at[i]
    cell.low = low
    cell.high = high
    return OK if is_amount(high, low) else UNUSUAL


cdef inline int read_number(Reader* r, Cell* cell, int wire) noexcept:
    cdef uint64_t zigzag = 0
    if read_zigzag(r, &zigzag) or (wire == INT and zigzag >> 32):
        return UNUSUAL
    cell.at = r.at
    cell.low = (zigzag >> 1) ^ (0 - (zigzag & 1))
    return OK


cdef inline int read_index(Reader* r, int count) noexcept:
    """The place of a symbol or of a branch, of so many; UNUSUAL if there is none."""
    cdef unsigned char byte
    if r.at >= r.end:
        return UNUSUAL
    byte = r.at[0]
    r.at += 1
    return UNUSUAL if byte & 1 or (byte >> 1) >= count else byte >> 1


cdef class Batch  # below


cdef int read_field(Batch batch, Field* field, Reader* r, Cell* cell) except -2:
    cdef int index
    if field.maybe:
        if r.at >= r.end or r.at[0] & 0xFD:
            return UNUSUAL
        r.at += 1
        if not (r.at - 1)[0]:
            return OK  # absent, as all cells are before a record is read
    if field.wire == TEXT:
        return read_text(r, cell)
    if field.wire == AMOUNT:
        return read_amount(r, cell)
    if field.wire == CHOICE or field.wire == ONE_OF:
        index = read_index(r, field.count)
        if index < 0:
            return UNUSUAL
        cell.at = field.symbols[index].at
        cell.size = field.symbols[index].size
        return OK if field.wire == CHOICE else read_fields(batch, &field.programs[index], r, batch.cells)
    if field.wire == INSTANT:
        if read_number(r, cell, LONG):
            return UNUSUAL
        return OK if batch.earliest <= <int64_t>cell.low <= batch.latest else UNUSUAL
    if field.wire == BOOLEAN:
        if r.at >= r.end or r.at[0] > 1:
            return UNUSUAL
        cell.at = r.at
        cell.low = r.at[0]
        r.at += 1
        return OK
    if field.wire == BYTES:
        return read_run(r, cell)
    if field.wire == MANY:
        return read_items(batch, &field.programs[0], r)
    return read_number(r, cell, field.wire)


cdef int read_fields(Batch batch, Program* program, Reader* r, Cell* cells) except -2:
    cdef int i
    for i in range(program.count):
        if read_field(batch, &program.fields[i], r, &cells[program.fields[i].cell]):
            return UNUSUAL
    return OK


cdef int read_items(Batch batch, Program* program, Reader* r) except -2:
    """An array, in one or more blocks; the size in bytes that may stand before a block is unusual."""
    cdef uint64_t doubled = 0
    cdef Py_ssize_t i
    batch.items = 0
    while True:
        if read_zigzag(r, &doubled) or doubled & 1:
            return UNUSUAL
        if not doubled:
            return OK
        for i in range(<Py_ssize_t>(doubled >> 1)):
            if batch.items >= ITEMS_MAX:
                return UNUSUAL
            if read_fields(batch, program, r, batch.item(batch.items)):
                return UNUSUAL
            batch.items += 1


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────────

cdef struct Buffer:
    unsigned char* start
    Py_ssize_t used
    Py_ssize_t size


cdef inline unsigned char* room(Buffer* buffer, Py_ssize_t size) except NULL:
    """The end of the buffer, with so much room behind it; it counts as used."""
    cdef Py_ssize_t wanted
    cdef unsigned char* moved
    if buffer.size - buffer.used < size:
        wanted = 2 * buffer.used + size + 4096
        moved = <unsigned char*>PyMem_Realloc(buffer.start, wanted)
        if moved == NULL:
            raise MemoryError
        memset(moved + buffer.size, 0, wanted - buffer.size)
        buffer.start = moved
        buffer.size = wanted
    buffer.used += size
    return buffer.start + buffer.used - size


cdef object taken(Buffer* buffer):
    return PyBytes_FromStringAndSize(<const char*>buffer.start, buffer.used)


cdef inline int set_bit(Buffer* buffer, Py_ssize_t place, bint value) except -1:
    if buffer.used <= place >> 3:
        room(buffer, 1)[0] = 0
    if value:
        buffer.start[place >> 3] |= 1 << (place & 7)
    return 0


cdef struct Slot:
    const unsigned char* at
    Py_ssize_t size
    int32_t place


cdef struct Column:
    int kind
    bint of_item
    int cell
    Buffer data
    Buffer offsets
    Buffer present
    Py_ssize_t nulls
    Slot* slots  # of labels: a hash table of those met so far
    Py_ssize_t slots_count
    Py_ssize_t labels


cdef inline uint64_t mixed(const unsigned char* at, Py_ssize_t size) noexcept:
    cdef uint64_t value = size
    cdef Py_ssize_t i
    for i in range(size):
        value = (value ^ at[i]) * 0x100000001B3ULL
    return value ^ (value >> 29)


cdef Slot* slot_of(Slot* slots, Py_ssize_t count, const unsigned char* at, Py_ssize_t size) noexcept:
    """Where a label is, or belongs. There is always a free slot."""
    cdef Py_ssize_t i = <Py_ssize_t>(mixed(at, size) & <uint64_t>(count - 1))
    while slots[i].at != NULL and (slots[i].size != size or memcmp(slots[i].at, at, size)):
        i = (i + 1) & (count - 1)
    return &slots[i]


cdef int grow_slots(Column* column) except -1:
    cdef Py_ssize_t count = 4 * column.slots_count if column.slots_count else 64
    cdef Slot* slots = <Slot*>PyMem_Calloc(count, sizeof(Slot))
    cdef Py_ssize_t i
    if slots == NULL:
        raise MemoryError
    for i in range(column.slots_count):
        if column.slots[i].at != NULL:
            slot_of(slots, count, column.slots[i].at, column.slots[i].size)[0] = column.slots[i]
    PyMem_Free(column.slots)
    column.slots = slots
    column.slots_count = count
    return 0


cdef int put_run(Column* column, const unsigned char* at, Py_ssize_t size) except -1:
    (<int32_t*>room(&column.offsets, 4))[0] = <int32_t>column.data.used
    if size:
        if column.data.used + size > 0x7FFFFFFF:
            raise OverflowError("more than 2 GiB of text in a batch")
        memcpy(room(&column.data, size), at, size)
    return 0


cdef int put_label(Column* column, const unsigned char* at, Py_ssize_t size) except -1:
    cdef Slot* slot
    if 2 * column.labels >= column.slots_count:
        grow_slots(column)
    slot = slot_of(column.slots, column.slots_count, at, size)
    if slot.at == NULL:  # its bytes stay where they are until the batch is done
        slot.at = at
        slot.size = size
        slot.place = <int32_t>column.labels
        column.labels += 1
        put_run(column, at, size)
    (<int32_t*>room(&column.present, 4))[0] = slot.place
    return 0


cdef inline int put_presence(Column* column, Py_ssize_t row, bint present) except -1:
    column.nulls += not present
    return set_bit(&column.present, row, present)


cdef int put(Column* column, Cell* cell, Py_ssize_t row, Py_ssize_t line) except -1:
    """The value of *cell* as the next one of *column*, whose *row* it is."""
    cdef uint64_t* halves
    cdef bint present = cell.at != NULL
    cdef int kind = column.kind
    if kind == LABELS:
        return put_label(column, cell.at if present else NOTHING, cell.size if present else 0)
    if kind == TEXTS:
        return put_run(column, cell.at, cell.size if present else 0)
    if kind == FLAGS:
        return set_bit(&column.data, row, present and cell.low)
    if kind == LINES:
        (<uint32_t*>room(&column.data, 4))[0] = <uint32_t>line
        return 0
    if kind == AMOUNTS:
        halves = <uint64_t*>room(&column.data, 16)
        halves[0] = cell.low if present else 0
        halves[1] = cell.high if present else 0
    elif kind == NUMBERS_32:
        (<int32_t*>room(&column.data, 4))[0] = <int32_t>cell.low if present else 0
    elif kind == BLOBS:
        put_run(column, cell.at, cell.size if present else 0)
    else:
        (<int64_t*>room(&column.data, 8))[0] = <int64_t>cell.low if present else 0
    return put_presence(column, row, present)


# ── a batch ─────────────────────────────────────────────────────────────────────────────────────────────────────────

cdef class Batch:
    """The columns of one batch, while it is read."""

    cdef Column* columns
    cdef int columns_count
    cdef Cell* cells
    cdef int cells_count
    cdef Cell* item_cells
    cdef int item_cells_count
    cdef Py_ssize_t items
    cdef Py_ssize_t rows
    cdef Buffer numbers
    cdef int64_t earliest
    cdef int64_t latest

    def __cinit__(self, Layout layout):
        self.columns_count = len(layout.columns)
        self.cells_count = layout.cells
        self.item_cells_count = layout.item_cells
        self.earliest, self.latest = layout.earliest, layout.latest
        self.columns = <Column*>PyMem_Calloc(self.columns_count, sizeof(Column))
        self.cells = <Cell*>PyMem_Calloc(self.cells_count + 1, sizeof(Cell))
        self.item_cells = <Cell*>PyMem_Malloc(ITEMS_MAX * self.item_cells_count * sizeof(Cell) + 1)
        if self.columns == NULL or self.cells == NULL or self.item_cells == NULL:
            raise MemoryError
        for i, (kind, of_item, cell) in enumerate(layout.columns):
            self.columns[i].kind, self.columns[i].of_item, self.columns[i].cell = kind, of_item, cell

    def __dealloc__(self):
        cdef int i
        if self.columns != NULL:
            for i in range(self.columns_count):
                PyMem_Free(self.columns[i].data.start)
                PyMem_Free(self.columns[i].offsets.start)
                PyMem_Free(self.columns[i].present.start)
                PyMem_Free(self.columns[i].slots)
        PyMem_Free(self.columns)
        PyMem_Free(self.cells)
        PyMem_Free(self.item_cells)
        PyMem_Free(self.numbers.start)

    cdef Cell* item(self, Py_ssize_t number) noexcept:
        """The cells of an item, all absent."""
        cdef Cell* cells = self.item_cells + number * self.item_cells_count
        cdef int i
        for i in range(self.item_cells_count):
            cells[i].at = NULL
        return cells

    cdef int emit(self, Py_ssize_t record, Py_ssize_t rows) except -1:
        """The record that was read, as so many rows."""
        cdef Column* column
        cdef Py_ssize_t row
        cdef int i
        for i in range(self.columns_count):
            column = &self.columns[i]
            for row in range(rows):
                if column.of_item:
                    put(column, &self.item_cells[row * self.item_cells_count + column.cell], self.rows + row, row)
                else:
                    put(column, &self.cells[column.cell], self.rows + row, row)
        for row in range(rows):
            (<int32_t*>room(&self.numbers, 4))[0] = <int32_t>record
        self.rows += rows
        return 0

    cdef list finished(self):
        """For each column its buffers: presence (or the places of labels), offsets, data; and how many nulls it has."""
        cdef list found = []
        cdef Column* column
        cdef int i
        for i in range(self.columns_count):
            column = &self.columns[i]
            if column.kind == TEXTS or column.kind == BLOBS or column.kind == LABELS:
                (<int32_t*>room(&column.offsets, 4))[0] = <int32_t>column.data.used
            found.append((taken(&column.present), taken(&column.offsets), taken(&column.data), column.nulls))
        return found


# ── a schema's layout ───────────────────────────────────────────────────────────────────────────────────────────────

cdef class Layout:
    """Which field goes where, for one schema and one table. Threads may share it."""

    cdef bytes header
    cdef Program program
    cdef readonly tuple columns
    cdef readonly int cells
    cdef readonly int item_cells
    cdef readonly bint many
    cdef int64_t earliest
    cdef int64_t latest
    cdef list kept  # what the pointers point into

    def __init__(self, bytes header, tuple fields, tuple columns, tuple counts, tuple bounds):
        """*fields* as columnar.py describes them; a column is (kind, whether of an item, cell); counts of cells."""
        if len(header) != HEADER_BYTES:
            raise ValueError("no header")
        self.header, self.columns, self.kept = header, columns, []
        self.cells, self.item_cells = counts
        self.earliest, self.latest = bounds
        self.fill(&self.program, fields)

    def __dealloc__(self):
        release(&self.program)

    cdef int fill(self, Program* program, tuple fields) except -1:
        cdef Field* field
        cdef int i, j
        program.fields = <Field*>PyMem_Calloc(len(fields) + 1, sizeof(Field))
        if program.fields == NULL:
            raise MemoryError
        program.count = len(fields)
        for i, (wire, maybe, cell, symbols, programs) in enumerate(fields):
            field = &program.fields[i]
            field.wire, field.maybe, field.cell = wire, maybe, cell
            self.many = self.many or wire == MANY
            field.symbols = <Symbol*>PyMem_Calloc(len(symbols) + 1, sizeof(Symbol))
            field.programs = <Program*>PyMem_Calloc(len(programs) + 1, sizeof(Program))
            if field.symbols == NULL or field.programs == NULL:
                raise MemoryError
            field.count = len(symbols) or len(programs)
            for j, symbol in enumerate(symbols):
                self.kept.append(symbol)
                field.symbols[j].at = <const unsigned char*>PyBytes_AS_STRING(symbol)
                field.symbols[j].size = PyBytes_GET_SIZE(symbol)
            for j, inner in enumerate(programs):
                self.fill(&field.programs[j], inner)
        return 0

    def decode(self, list values):
        """Rows, the record that each is of (in an int32 buffer), the columns' buffers, and the unusual records."""
        cdef Batch batch = Batch(self)
        cdef Reader r
        cdef PyObject* value
        cdef Py_ssize_t i, count = len(values)
        cdef int j
        cdef list unusual = []
        for i in range(count):
            value = PyList_GET_ITEM(values, i)
            if not self.starts(value, &r):
                unusual.append(i)
                continue
            for j in range(self.cells):
                batch.cells[j].at = NULL
            if read_fields(batch, &self.program, &r, batch.cells) or r.at != r.end:
                unusual.append(i)
            else:
                batch.emit(i, batch.items if self.many else 1)
        return batch.rows, taken(&batch.numbers), batch.finished(), unusual

    cdef bint starts(self, PyObject* value, Reader* r) noexcept:
        """Whether these are bytes behind this schema's header; then *r* stands behind it."""
        if not PyBytes_CheckExact(value) or PyBytes_GET_SIZE(<object>value) < HEADER_BYTES:
            return False
        r.at = <const unsigned char*>PyBytes_AS_STRING(<object>value)
        r.end = r.at + PyBytes_GET_SIZE(<object>value)
        if memcmp(r.at, PyBytes_AS_STRING(self.header), HEADER_BYTES):
            return False
        r.at += HEADER_BYTES
        return True


cdef int release(Program* program) noexcept:
    cdef int i, j
    if program.fields == NULL:
        return 0
    for i in range(program.count):
        if program.fields[i].programs != NULL:
            j = 0
            while program.fields[i].programs[j].fields != NULL:
                release(&program.fields[i].programs[j])
                j += 1
        PyMem_Free(program.fields[i].symbols)
        PyMem_Free(program.fields[i].programs)
    PyMem_Free(program.fields)
    program.fields = NULL
    return 0
