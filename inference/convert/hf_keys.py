"""Keys of a Hugging Face `config.json` that say nothing about a model's logits, whatever their value."""

_ORIGIN = """
_name_or_path _commit_hash name_or_path transformers_version transformers.js_config unsloth_version unsloth_fixed
torch_dtype dtype use_bfloat16 torchscript is_llama_config max_sequence_length
"""

_TRAINING = """
initializer_range attention_dropout hidden_dropout resid_pdrop embd_pdrop gradient_checkpointing neftune_noise_alpha
keys_to_ignore_at_inference
"""

# How an implementation computes, not what: slices of matrices, kernels, what is returned beside the logits.
_EXECUTION = """
pretraining_tp use_cache chunk_size_feed_forward attn_implementation _attn_implementation
_attn_implementation_autoset _flash_attn_2_enabled return_dict use_return_dict output_attentions
output_hidden_states output_scores return_dict_in_generate
"""

# Other heads than the language model's, and the tokenizer, which has files of its own.
_OTHER_PARTS = """
finetuning_task id2label label2id num_labels problem_type task_specific_params tokenizer_class prefix
bos_token_id eos_token_id pad_token_id unk_token_id sep_token_id cls_token_id decoder_start_token_id
"""

# Defaults of text generation.
_GENERATION = """
max_length min_length max_new_tokens do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature
top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size
bad_words_ids num_return_sequences remove_invalid_values exponential_decay_length_penalty suppress_tokens
begin_suppress_tokens forced_bos_token_id forced_eos_token_id tf_legacy_loss
"""

HARMLESS = frozenset(" ".join((_ORIGIN, _TRAINING, _EXECUTION, _OTHER_PARTS, _GENERATION)).split())
