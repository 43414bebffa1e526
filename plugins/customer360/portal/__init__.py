"""The attribution page: a static site of what schema `marketing` says, made in Python, without a network.

Every view is a page of its own with an address of its own; it needs no script to show its figures, and each table
on it is also a CSV file with the same rows and columns.
"""
