# cython: auto_pickle=False
"""Methods and properties of compiled classes that look at `self` before they use it."""

from cpython.object cimport PyObject, PyObject_TypeCheck, PyTypeObject
from types import BuiltinFunctionType, ClassMethodDescriptorType, GetSetDescriptorType

cdef extern from "Python.h":
    ctypedef PyObject *(*vectorcallfunc)(PyObject *, PyObject *const *, size_t, PyObject *) noexcept
    ctypedef object (*descrgetfunc)(object, object, object)
    ctypedef struct Kind "PyTypeObject":
        PyObject *tp_dict
        descrgetfunc tp_descr_get
        Py_ssize_t tp_vectorcall_offset
        unsigned long tp_flags
    const unsigned long Py_TPFLAGS_HAVE_VECTORCALL
    const unsigned long Py_TPFLAGS_METHOD_DESCRIPTOR
    Kind *Py_TYPE(object)
    Py_ssize_t PyVectorcall_NARGS(size_t)
    vectorcallfunc PyVectorcall_Function(object)
    PyObject *PyObject_Vectorcall(PyObject *, PyObject *const *, size_t, PyObject *) noexcept
    int PyDict_SetItem(PyObject *, object, object) except -1
    void PyType_Modified(type)


# What stands in a class in place of a member that takes any `self`.
cdef class Member:
    cdef readonly object __wrapped__
    cdef type owner
    cdef str accessor

    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)

    def __repr__(self):
        return repr(self.__wrapped__)

    cdef object this(self, object found):
        """Return the instance that an object is or stands for. Raises TypeError where it is neither."""
        if PyObject_TypeCheck(found, <PyTypeObject *> self.owner):
            return found
        this = getattr(found, self.accessor, None)
        if PyObject_TypeCheck(this, <PyTypeObject *> self.owner):
            return this
        raise TypeError(
            f"'{self.__wrapped__.__name__}' requires a '{self.owner.__name__}' object"
            f" but received a '{type(found).__name__}'"
        )

    cdef object read(self, object found, object owner):
        return Py_TYPE(self.__wrapped__).tp_descr_get(self.__wrapped__, self.this(found), owner)


cdef class Property(Member):
    @property
    def __doc__(self):
        return self.__wrapped__.__doc__

    def __get__(self, instance, owner):
        return self if instance is None else self.read(instance, owner)

    def __set__(self, instance, value):
        self.__wrapped__.__set__(self.this(instance), value)

    def __delete__(self, instance):
        self.__wrapped__.__delete__(self.this(instance))


# Called with an instance of its own class it costs one look at the instance's type.
cdef class Method(Member):
    cdef vectorcallfunc vectorcall
    cdef vectorcallfunc wrapped_call

    @property
    def __doc__(self):
        return self.__wrapped__.__doc__

    def __get__(self, instance, owner):
        return self if instance is None else self.read(instance, owner)

    def __call__(self, instance, *arguments, **named):
        return self.__wrapped__(self.this(instance), *arguments, **named)


cdef PyObject *call(PyObject *method, PyObject *const *arguments, size_t count, PyObject *names) noexcept:
    """Call a method by the vectorcall protocol. An exception passes without an entry in its traceback."""
    cdef Method this = <Method> method
    if PyVectorcall_NARGS(count) and PyObject_TypeCheck(<object> arguments[0], <PyTypeObject *> this.owner):
        return this.wrapped_call(<PyObject *> this.__wrapped__, arguments, count, names)
    return (<vectorcallfunc> call_for_another)(method, arguments, count, names)


cdef object call_for_another(PyObject *method, PyObject *const *arguments, size_t count, PyObject *names):
    """Call a method with what is not an instance of its class."""
    cdef Py_ssize_t index, positional = PyVectorcall_NARGS(count)
    given = [<object> arguments[index] for index in range(positional)]
    keys = () if names == NULL else <tuple> names
    named = {keys[index]: <object> arguments[positional + index] for index in range(len(keys))}
    return (<Method> method).__call__(*given, **named)


cdef _take_vectorcalls():
    """Have CPython call a `Method` found in the class of an instance with that instance, and by vectorcall."""
    cdef Method any_method = Method.__new__(Method)
    cdef Kind *kind = Py_TYPE(any_method)
    kind.tp_vectorcall_offset = <char *> &any_method.vectorcall - <char *> <PyObject *> any_method
    kind.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR
    PyType_Modified(Method)


_take_vectorcalls()


cdef Member _checked(object member):
    """Return what takes a member's place; None where any `self` is safe."""
    cdef Method method
    if isinstance(member, GetSetDescriptorType):
        # An attribute has no docstring. It looks at `self`, and takes no proxy in Python either.
        return None if member.__doc__ is None else Property.__new__(Property)
    if not callable(member) or isinstance(member, _WITHOUT_SELF):
        return None
    method = Method.__new__(Method)
    method.vectorcall = call
    method.wrapped_call = PyVectorcall_Function(member) or PyObject_Vectorcall
    return method


_WITHOUT_SELF = (staticmethod, classmethod, ClassMethodDescriptorType, BuiltinFunctionType, Member)


def check_self(type owner not None, str accessor not None):
    """Replace the members of a compiled class by such as look at `self`, or get it by a proxy's accessor."""
    cdef Member checked
    cdef PyObject *members = (<Kind *> <PyObject *> owner).tp_dict  # in Python the class cannot be changed
    for name, member in list(owner.__dict__.items()):
        checked = _checked(member)
        if checked is not None:
            checked.__wrapped__, checked.owner, checked.accessor = member, owner, accessor
            PyDict_SetItem(members, name, checked)
    PyDict_SetItem(members, accessor, property(_itself))
    PyType_Modified(owner)


def _itself(this):
    return this


for _class in (Member, Property, Method):
    check_self(_class, "_this")
