"""Blind listening tests: plan, sheets, answers, analysis."""
