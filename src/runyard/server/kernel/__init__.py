"""The pure bottom of the server: errors, ids, clock, paging and the search language.

Nothing here does I/O, except that `clock` reads the time and `ids` the random source.
"""
