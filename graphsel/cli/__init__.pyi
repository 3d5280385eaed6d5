from . import compare, explore, fit, main, options, select
