"""Budgets: amounts of money a calendar period; `pipeline/spending.py` asks them for every call.

Its modules are imported one by one: a gateway without budgets loads `store` alone.
"""
