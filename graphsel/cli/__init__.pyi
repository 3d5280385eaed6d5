from . import compare, fit, main, options, select
