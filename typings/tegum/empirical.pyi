from empirical import *
