"""What Krayin should hold, without network, database or clock; texts, numbers and times in their forms."""
