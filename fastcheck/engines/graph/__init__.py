"""All slopes backwards, as a proposal that differences forwards certify.

The user's cost runs once on arrays that write down a graph of its operations. Slopes are sent backwards through it:
that is quick, and believed by nobody, until difference propagation along random directions has found the same
(docs/why-you-can-trust-it.md).
"""
