import numpy as np
a,b=np.load('/tmp/u1/old.npz'),np.load('/tmp/u1/new.npz')
for k in a: print(k, abs(a[k]-b[k]).max(), abs(a[k]).max())
